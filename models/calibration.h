// Choices on held-out cells of training conditions: how much counting noise the decoder takes out of the latent.
#pragma once
#include "models/context_frames.h"
#include "models/decoder.h"

namespace perturbine {

/// Energy distance of two samples [rows, width] over unequal pairs; see PairwiseSum. Runs on the CPU.
double sample_energy_distance(Queue& queue, const std::vector<float>& x, const std::vector<float>& y,
                              std::size_t width);

/// By how much the mean of a exceeds that of b, less the standard error of their paired difference.
double excess_beyond_error(const std::vector<double>& a, const std::vector<double>& b);

/// The chosen share, and every candidate's mean energy distance.
struct ShrinkageChoice {
  double chosen = 1;
  std::vector<std::pair<double, double>> scores;  // share, mean energy distance
  std::string report(std::string_view of) const;
};

/// What is decoded to choose: Gaussians of the residuals' variances, or residuals of cells as they are.
enum class DecodedResiduals { gaussian, cells };

/// Half of the cells of up to eight training conditions (evenly chosen of those with 20 cells, the control among them)
/// gives the mean, the other half judges: cells decoded around that mean, from Gaussian residuals (in the frame of
/// their context) or those of the first half [cells, width] (as coordinates, in no frame), are compared with it by the
/// energy distance in the space. The mean is known there up to sampling, so that the choice is about the shape of the
/// cells alone and cannot make up for a wrong mean. Counting noise that the decoder adds should be taken out whole: of
/// the candidates 0, .25, ... 1 the largest is chosen whose distance is not greater than the least by more than the
/// standard error of their paired difference. 1 where no condition has 20 cells.
ShrinkageChoice choose_technical_shrinkage(Queue& queue, const TrainingData& data, const LatentSpace& space,
                                           const ContextFrames& frames, const std::vector<float>& residuals,
                                           DecodedResiduals decoded, std::uint64_t seed);

}  // namespace perturbine

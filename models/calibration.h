// The choice of how much counting noise the decoder takes out of the latent, on held-out cells of training conditions.
#pragma once
#include "models/decoder.h"

namespace perturbine {

/// Energy distance of two samples [rows, width] over unequal pairs; see PairwiseSum. Runs on the CPU.
double sample_energy_distance(Queue& queue, const std::vector<float>& x, const std::vector<float>& y,
                              std::size_t width);

/// The candidate share with the least energy distance, and every candidate's.
struct ShrinkageChoice {
  double chosen = 1;
  std::vector<std::pair<double, double>> scores;  // share, mean energy distance
  std::string report() const;
};

/// Half of the cells of up to eight training conditions (evenly chosen of those with 20 cells, the control among them)
/// gives the mean, the other half judges: cells decoded from Gaussian residuals around that mean are compared with it
/// by the energy distance in the space. The mean is known there up to sampling, so that the choice is about the shape
/// of the cells alone and cannot make up for a wrong mean. 1 where no condition has 20 cells.
ShrinkageChoice choose_technical_shrinkage(Queue& queue, const TrainingData& data, const LatentSpace& space,
                                           std::uint64_t seed);

}  // namespace perturbine

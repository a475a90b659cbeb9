// A frame of coordinates for each context, in which its control cells vary as those of every other. Contexts (cell
// types, lines, replicates) differ in how their cells vary, not only in their means; written in these frames, one
// network and one Gaussian serve them all, and what a perturbation does to how cells vary can be carried from one to
// another.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "models/linear_algebra.h"

namespace perturbine {

/// u = T z brings residuals z of a context to its frame, T = P^(1/2) C^(-1/2) P^(-1/2): P the diagonal of the variances
/// of all residuals, C = (1 - s) P^(-1/2) S P^(-1/2) + s I the covariance S of the context's control cells in units of
/// them, shrunk towards them by s. Gaussians of covariance P^(1/2) C P^(1/2) become Gaussians of covariance P, and
/// among the maps that do so this one moves them least in units of P (the optimal transport of Gaussians; Dowson and
/// Landau, J. Multivariate Anal. 12 (1982) 450). s is the one of .02, .05, .1, .2, .3, .5, .7, .85 and 1 with the
/// greatest Gaussian likelihood of these cells, every fifth left out in turn; at 1 the frame is the coordinates
/// themselves. A context of fewer than twelve control cells takes all of its cells.
class ContextFrames {
 public:
  ContextFrames() = default;
  /// Every context keeps the coordinates, in which residuals have these variances [width].
  explicit ContextFrames(std::vector<double> variance) : variance_(std::move(variance)) {}
  /// Of residuals [cells, width] about the means of the cells' condition and context, with these variances [width].
  /// A context whose cells have fewer than ten degrees of freedom about their means keeps the coordinates.
  ContextFrames(const TrainingData& data, const std::vector<float>& residuals, const std::vector<double>& variance);

  /// From coordinates to a context's frame and back, in place: `residuals` [any, width].
  void enter(std::size_t context, std::span<float> residuals) const { apply(context, residuals, true); }
  void leave(std::size_t context, std::span<float> residuals) const { apply(context, residuals, false); }
  /// Row i [width] of `residuals` to the frame of cell i's context.
  void enter_each(const std::vector<std::int32_t>& context, std::vector<float>& residuals) const;
  /// log |det T|: what a log density in the frame gains as one of the coordinates.
  double log_volume(std::size_t context) const { return exists(context) ? frames_[context].log_volume : 0; }
  bool exists(std::size_t context) const { return context < frames_.size() && frames_[context].to.rows > 0; }
  /// Of all residuals in their frames, [width].
  const std::vector<double>& variance() const { return variance_; }
  /// The line for the log; empty where no context has a frame of its own.
  const std::string& report() const { return report_; }

 private:
  struct Frame {
    HostMatrix to, from;  // [width, width]; empty: the coordinates
    double log_volume = 0;
  };
  void apply(std::size_t context, std::span<float> residuals, bool entering) const;
  std::vector<Frame> frames_;
  std::vector<double> variance_;
  std::string report_;
};

}  // namespace perturbine

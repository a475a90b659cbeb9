// How far a cell responds as a coordinate of its own. A perturbation moves cells along its mean change; which of them
// respond, and how many kinds of cells there are, shows along that line. Written in coordinates of their own, all
// conditions share it, seen or not: a network that has learned that half of the cells respond to A says so of B.
#pragma once
#include <vector>

namespace perturbine {

/// The unit vector d of a condition's mean change in coordinates divided by their standard deviations, where residuals
/// have unit variance in every direction; none for controls. With u a cell's residual so divided and s = u . d, the
/// extended coordinates are u + (fill - s) d, times the deviations again, and s: one more than before. With `fill` a
/// unit normal the two parts are independent wherever u is Gaussian, with the same variances as u. Without a direction
/// the coordinates stay and `fill` is the last.
class ResponseAxis {
 public:
  ResponseAxis() = default;
  /// `change` [width] in the coordinates of the residuals, `variance` [width] of these.
  ResponseAxis(const std::vector<float>& change, const std::vector<float>& variance);
  /// `x` [width] to `extended` [width + 1].
  void extend(const float* x, std::size_t width, float fill, float* extended) const;
  /// The inverse, whatever the fill; `x` may be `extended`.
  void reduce(const float* extended, std::size_t width, float* x) const;
  bool exists() const { return !along_.empty(); }
  /// Length of the change in standard deviations of the residuals; 0 without a direction.
  float length() const { return length_; }

 private:
  std::vector<float> along_, step_;  // [width]: d / deviation, d * deviation; empty without a direction
  float length_ = 0;
};

}  // namespace perturbine

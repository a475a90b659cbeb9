#include "models/response_axis.h"

#include <cmath>

namespace perturbine {

ResponseAxis::ResponseAxis(const std::vector<float>& change, const std::vector<float>& variance) {
  double square = 0;
  for (std::size_t k = 0; k < change.size(); ++k)
    square += static_cast<double>(change[k]) * static_cast<double>(change[k]) / static_cast<double>(variance[k]);
  if (square < 1e-12) return;
  length_ = static_cast<float>(std::sqrt(square));
  for (std::size_t k = 0; k < change.size(); ++k) {
    along_.push_back(change[k] / (length_ * variance[k]));
    step_.push_back(change[k] / length_);
  }
}

void ResponseAxis::extend(const float* x, std::size_t width, float fill, float* extended) const {
  float s = 0;
  for (std::size_t k = 0; k < along_.size(); ++k) s += along_[k] * x[k];
  for (std::size_t k = 0; k < width; ++k) extended[k] = x[k] + (exists() ? (fill - s) * step_[k] : 0.0f);
  extended[width] = exists() ? s : fill;
}

void ResponseAxis::reduce(const float* extended, std::size_t width, float* x) const {
  float filled = 0;
  for (std::size_t k = 0; k < along_.size(); ++k) filled += along_[k] * extended[k];
  const float s = extended[width];
  for (std::size_t k = 0; k < width; ++k) x[k] = extended[k] + (exists() ? (s - filled) * step_[k] : 0.0f);
}

}  // namespace perturbine

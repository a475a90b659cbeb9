// The optimiser: AdamW, weight average and bfloat16 copy in one pass over the flat parameter buffer.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// norm[0] = Euclidean norm of the gradient over the active segments. Summed per block of 4096 elements, then over
/// blocks: an order that only the layout decides.
template <class T>
struct GlobalNorm {
  VectorView<const T> gradient;                  // [size]
  VectorView<const std::int32_t> segment_begin;  // [segments + 1], rising
  VectorView<const std::int32_t> active;         // [segments], 0 or 1
  VectorView<T> norm;                            // [1]

  static constexpr std::string_view name = "global_norm";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("gradient", gradient), visit("segment_begin", segment_begin), visit("active", active), visit("norm", norm);
  }
  void check() const {
    require_size(*this, "norm", norm, 1);
    require_size(*this, "segment_begin", segment_begin, active.size + 1);
  }
  Cost cost() const { return memory_cost(*this, 2.0 * static_cast<double>(gradient.size)); }
};

/// What changes from step to step, in device memory so that a captured step sees it.
struct AdamWStep {
  enum : std::size_t { rate, bias_correction_1, bias_correction_2, average_decay, size };
};

/// g = clip(gradient) + penalty * value
/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
/// value -= rate * segment_rate * (m / c1 / (sqrt(v / c2) + epsilon) + decay * value)
/// average += (1 - average_decay) (value - average);  copy = bfloat16(value)
/// Source: Loshchilov and Hutter, arXiv:1711.05101, algorithm 2; clip by global norm: Pascanu et al., arXiv:1211.5063.
/// Segments that are not active are left alone, average included.
template <class T>
struct AdamW {
  VectorView<T> value, first_moment, second_moment, average;  // [size]
  VectorView<const T> gradient;                               // [size]
  VectorView<bfloat16> copy;                                  // [size], or empty
  VectorView<const std::int32_t> segment_begin;               // [segments + 1]
  VectorView<const std::int32_t> active;                      // [segments]
  VectorView<const T> segment_rate, decay, penalty;           // [segments]
  VectorView<const T> step;                                   // [AdamWStep::size]
  VectorView<const T> norm;                                   // [1], or empty: no clipping
  T beta1 = T(.9), beta2 = T(.999), epsilon = T(1e-8), clip = 1;

  static constexpr std::string_view name = "adamw";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("value", value), visit("first_moment", first_moment), visit("second_moment", second_moment);
    visit("average", average), visit("gradient", gradient), visit("copy", copy), visit("segment_begin", segment_begin);
    visit("active", active), visit("segment_rate", segment_rate), visit("decay", decay), visit("penalty", penalty);
    visit("step", step), visit("norm", norm);
  }
  void check() const {
    for (const auto& v : {first_moment, second_moment, average})
      require_size(*this, "moments and average", v, value.size);
    require_size(*this, "gradient", gradient, value.size);
    require_size(*this, "step", step, AdamWStep::size);
    require_size(*this, "segment_begin", segment_begin, active.size + 1);
    for (const auto& v : {segment_rate, decay, penalty}) require_size(*this, "segment settings", v, active.size);
    if (copy.data != nullptr) require_size(*this, "copy", copy, value.size);
  }
  /// value, moments and average are read and written, the gradient is read.
  Cost cost() const {
    const double n = static_cast<double>(value.size);
    return {n * (9.0 * sizeof(T) + (copy.data != nullptr ? 2.0 : 0.0)), 18 * n, Ceiling::memory};
  }
};

}  // namespace perturbine

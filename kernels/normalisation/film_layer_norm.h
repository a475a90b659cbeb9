// Layer normalisation with a scale and shift of its own for every row (FiLM / adaptive layer norm), and an optional
// SiLU.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// How many rows scale and shift must have: what they have, if that divides x's rows.
constexpr std::size_t film_rows(std::size_t rows, std::size_t scale_rows) {
  return scale_rows > 0 && rows % scale_rows == 0 ? scale_rows : rows;
}

/// z = layer_norm(x) * (1 + scale) + shift, row by row; y = silu(z) if `activate`, else z.
/// layer_norm(x) = (x - mean) / sqrt(variance + epsilon) with the population variance. A scale and shift of fewer rows
/// serve as many neighbouring rows each: one row all of them in samplers, where all cells share time and condition.
/// Source: Ba et al., arXiv:1607.06450, eq. 4; Perez et al. (FiLM), arXiv:1709.07871, eq. 1; Peebles and Xie (adaptive
/// layer norm), arXiv:2212.09748, section 3.2.
template <class T>
struct FilmLayerNorm {
  MatrixView<const T> x, scale, shift;                   // [rows, width]; scale and shift [a divisor of rows, width]
  MatrixView<T> y;                                       // [rows, width]
  VectorView<accumulator_t<T>> mean, inverse_deviation;  // [rows], kept for the backward pass
  bool activate = true;
  accumulator_t<T> epsilon = accumulator_t<T>(1e-5);
  /// The row of scale and shift that belongs to row i.
  PERTURBINE_HOST_DEVICE std::size_t film_row(std::size_t i) const { return i / (x.rows / scale.rows); }

  static constexpr std::string_view name = "film_layer_norm";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("scale", scale), visit("shift", shift);
    visit("y", y), visit("mean", mean), visit("inverse_deviation", inverse_deviation);
  }
  void check() const {
    require_shape(*this, "scale", scale, film_rows(x.rows, scale.rows), x.columns);
    require_shape(*this, "shift", shift, scale.rows, x.columns);
    require_shape(*this, "y", y, x.rows, x.columns);
    require_size(*this, "mean", mean, x.rows);
    require_size(*this, "inverse_deviation", inverse_deviation, x.rows);
  }
  Cost cost() const { return memory_cost(*this, (activate ? 16.0 : 10.0) * static_cast<double>(x.rows * x.columns)); }
};

/// Gradients of FilmLayerNorm with respect to x, scale and shift, row by row also where one row of scale and shift
/// served several. With `accumulate`, dx is added to.
template <class T>
struct FilmLayerNormBackward {
  MatrixView<const T> x, scale, shift, dy;                     // [rows, width]; scale and shift as in FilmLayerNorm
  VectorView<const accumulator_t<T>> mean, inverse_deviation;  // [rows], from the forward pass
  MatrixView<T> dx, dscale, dshift;                            // [rows, width]
  bool activate = true;
  bool accumulate = false;
  PERTURBINE_HOST_DEVICE std::size_t film_row(std::size_t i) const { return i / (x.rows / scale.rows); }

  static constexpr std::string_view name = "film_layer_norm_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("scale", scale), visit("shift", shift), visit("dy", dy);
    visit("mean", mean), visit("inverse_deviation", inverse_deviation);
    visit("dx", dx), visit("dscale", dscale), visit("dshift", dshift);
  }
  void check() const {
    require_shape(*this, "scale", scale, film_rows(x.rows, scale.rows), x.columns);
    require_shape(*this, "shift", shift, scale.rows, x.columns);
    require_shape(*this, "dy", dy, x.rows, x.columns);
    for (const auto& [operand, view] : {std::pair{"dx", dx}, {"dscale", dscale}, {"dshift", dshift}})
      require_shape(*this, operand, view, x.rows, x.columns);
    require_size(*this, "mean", mean, x.rows);
    require_size(*this, "inverse_deviation", inverse_deviation, x.rows);
  }
  Cost cost() const { return memory_cost(*this, (activate ? 28.0 : 16.0) * static_cast<double>(x.rows * x.columns)); }
};

}  // namespace perturbine

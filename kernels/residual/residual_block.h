// A whole block of the score network for sampling: nothing is kept for a backward pass, so that it is one kernel.
#pragma once
#include <type_traits>

#include "kernels/core/operation.h"
#include "kernels/normalisation/film_layer_norm.h"

namespace perturbine {

/// y = x + w2 silu(w1 n + b1) + b2 with n = layer_norm(x) * (1 + scale) + shift, row by row. Products of numbers
/// rounded to bfloat16 (n and the hidden row too) with float sums: on a GPU's tensor cores; on the CPU tile by tile.
/// Scale and shift may have fewer rows, each for as many neighbouring rows of x, as in FilmLayerNorm. Source: Peebles
/// and Xie, arXiv:2212.09748, section 3.2.
template <class T>
struct ResidualBlock {
  using Weight = std::conditional_t<std::is_same_v<T, double>, double, bfloat16>;
  static constexpr std::size_t most_columns = 3072;  // two tiles of 16 rows must fit into a multiprocessor's memory

  MatrixView<const T> x, scale, shift;        // [rows, width]; scale and shift [a divisor of rows, width]
  MatrixView<const Weight> w1, w2;            // [width, width], row j gives column j of the result
  VectorView<const accumulator_t<T>> b1, b2;  // [width]
  MatrixView<T> y;                            // [rows, width]; may be x
  accumulator_t<T> epsilon = accumulator_t<T>(1e-5);
  PERTURBINE_HOST_DEVICE std::size_t film_row(std::size_t i) const { return i / (x.rows / scale.rows); }

  static constexpr std::string_view name = "residual_block";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("scale", scale), visit("shift", shift), visit("w1", w1), visit("b1", b1), visit("w2", w2),
        visit("b2", b2), visit("y", y);
  }
  void check() const {
    const std::size_t width = x.columns;
    require(width <= most_columns, name, ": x has ", width, " columns but may have at most ", most_columns);
    require_shape(*this, "scale", scale, film_rows(x.rows, scale.rows), width);
    require_shape(*this, "shift", shift, scale.rows, width);
    for (const auto& w : {w1, w2}) require_shape(*this, "w1 and w2", w, width, width);
    for (const auto& b : {b1, b2}) require_size(*this, "b1 and b2", b, width);
    require_shape(*this, "y", y, x.rows, width);
  }
  Cost cost() const {
    const double rows = static_cast<double>(x.rows), width = static_cast<double>(x.columns);
    Cost cost = memory_cost(*this, rows * width * (4.0 * width + 20.0));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

}  // namespace perturbine

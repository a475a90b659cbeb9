// Layer normalisation with one gain and bias for all rows.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// y = (x - mean) / sqrt(variance + epsilon) * gain + bias. Source: Ba et al., arXiv:1607.06450, eq. 4.
template <class T>
struct LayerNorm {
  MatrixView<const T> x;                                 // [rows, width]
  VectorView<const accumulator_t<T>> gain, bias;         // [width]
  MatrixView<T> y;                                       // [rows, width]
  VectorView<accumulator_t<T>> mean, inverse_deviation;  // [rows], kept for the backward pass
  accumulator_t<T> epsilon = accumulator_t<T>(1e-5);

  static constexpr std::string_view name = "layer_norm";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("gain", gain), visit("bias", bias), visit("y", y);
    visit("mean", mean), visit("inverse_deviation", inverse_deviation);
  }
  void check() const {
    require_shape(*this, "y", y, x.rows, x.columns);
    for (const auto& v : {gain, bias}) require_size(*this, "gain and bias", v, x.columns);
    for (const auto& v : {mean, inverse_deviation}) require_size(*this, "mean and inverse_deviation", v, x.rows);
  }
  Cost cost() const { return memory_cost(*this, 10.0 * static_cast<double>(x.rows * x.columns)); }
};

/// Gradients of LayerNorm. dgain and dbias are summed over blocks of 64 rows, then over blocks in order.
template <class T>
struct LayerNormBackward {
  MatrixView<const T> x, dy;                                   // [rows, width]
  VectorView<const accumulator_t<T>> gain;                     // [width]
  VectorView<const accumulator_t<T>> mean, inverse_deviation;  // [rows]
  MatrixView<T> dx;                                            // [rows, width]
  VectorView<accumulator_t<T>> dgain, dbias;                   // [width]
  bool accumulate = false;                                     // dx is added to

  static constexpr std::string_view name = "layer_norm_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("dy", dy), visit("gain", gain), visit("mean", mean),
        visit("inverse_deviation", inverse_deviation);
    visit("dx", dx), visit("dgain", dgain), visit("dbias", dbias);
  }
  void check() const {
    require_shape(*this, "dy", dy, x.rows, x.columns);
    require_shape(*this, "dx", dx, x.rows, x.columns);
    require_size(*this, "gain", gain, x.columns);
    for (const auto& v : {dgain, dbias}) require_size(*this, "dgain and dbias", v, x.columns);
    for (const auto& v : {mean, inverse_deviation}) require_size(*this, "mean and inverse_deviation", v, x.rows);
  }
  Cost cost() const { return memory_cost(*this, 16.0 * static_cast<double>(x.rows * x.columns)); }
};

}  // namespace perturbine

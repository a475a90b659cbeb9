// The passes around a product that no library fuses: bias, activation and residual, and their backward pass.
#pragma once
#include "kernels/dense/product.h"

namespace perturbine {

/// z += bias; y = activation(z) + residual. What follows a product on a GPU.
template <class T>
struct BiasActivation {
  MatrixView<const T> product;   // [rows, width]
  VectorView<const T> bias;      // [width], or empty
  MatrixView<const T> residual;  // [rows, width], or empty
  MatrixView<T> z;               // [rows, width], or empty: product + bias; may be `product` itself
  MatrixView<T> y;               // [rows, width]; may be `product` itself
  Activation activation = Activation::none;

  static constexpr std::string_view name = "bias_activation";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("product", product), visit("bias", bias), visit("residual", residual), visit("z", z), visit("y", y);
  }
  void check() const {
    require_shape(*this, "y", y, product.rows, product.columns);
    if (bias.data != nullptr) require_size(*this, "bias", bias, product.columns);
    if (z.data != nullptr) require_shape(*this, "z", z, product.rows, product.columns);
    if (residual.data != nullptr) require_shape(*this, "residual", residual, product.rows, product.columns);
  }
  Cost cost() const { return memory_cost(*this, 8.0 * static_cast<double>(product.rows * product.columns)); }
};

/// dz = dy * activation'(z) (absent where there is no activation: then dy is dz); dbias = column sums of dz, summed
/// over row blocks of 64 and then over blocks, an order that only the shape decides.
template <class T>
struct BiasActivationBackward {
  MatrixView<const T> dy;  // [rows, width]
  MatrixView<const T> z;   // [rows, width]; empty for Activation::none
  MatrixView<T> dz;        // [rows, width]; empty for Activation::none
  VectorView<T> dbias;     // [width], or empty
  Activation activation = Activation::none;
  bool accumulate = false;  // dbias is added to

  static constexpr std::string_view name = "bias_activation_backward";
  static constexpr bool in_place = true;  // dz may be dy
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("dy", dy), visit("z", z), visit("dz", dz), visit("dbias", dbias);
  }
  void check() const {
    if (activation != Activation::none) {
      require_shape(*this, "z", z, dy.rows, dy.columns);
      require_shape(*this, "dz", dz, dy.rows, dy.columns);
    }
    if (dbias.data != nullptr) require_size(*this, "dbias", dbias, dy.columns);
  }
  Cost cost() const { return memory_cost(*this, 12.0 * static_cast<double>(dy.rows * dy.columns)); }
};

}  // namespace perturbine

// Matrix products, by the best library of each device: oneDNN on the CPU (single-threaded calls on shape-determined
// tiles), cuBLASLt on a GPU.
#pragma once
#include "kernels/core/executors.h"
#include "kernels/core/operation.h"

namespace perturbine {

/// c = op(a) op(b), or c += with `accumulate`; op transposes where asked. Sums are float; Math::bf16 rounds a and b.
template <class T>
struct MatrixProduct {
  MatrixView<const T> a, b;
  MatrixView<T> c;  // [rows, columns]
  bool transpose_a = false, transpose_b = false, accumulate = false;
  Math math = Math::f32;
  // Of the shapes of a and b, or empty: rounded already (weights by the optimiser, activations by Round). Used where
  // math is bf16 and the library does not round by itself.
  MatrixView<const bfloat16> rounded_a{}, rounded_b{};

  std::size_t inner() const { return transpose_a ? a.rows : a.columns; }
  static constexpr std::string_view name = "matrix_product";
  static constexpr std::string_view library = "cuBLASLt";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("a", a), visit("b", b), visit("c", c), visit("rounded_a", rounded_a), visit("rounded_b", rounded_b);
  }
  void check() const {
    require_shape(*this, "a", a, transpose_a ? inner() : c.rows, transpose_a ? c.rows : inner());
    require_shape(*this, "b", b, transpose_b ? c.columns : inner(), transpose_b ? inner() : c.columns);
    if (rounded_a.data != nullptr) require_shape(*this, "rounded_a", rounded_a, a.rows, a.columns);
    if (rounded_b.data != nullptr) require_shape(*this, "rounded_b", rounded_b, b.rows, b.columns);
  }
  Cost cost() const {
    Cost cost = memory_cost(
        *this, 2.0 * static_cast<double>(c.rows) * static_cast<double>(c.columns) * static_cast<double>(inner()));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

enum class Activation { none, silu, gelu };

/// z = x weight^T + bias; y = activation(z) + residual. One product with its epilogue: on the CPU the epilogue runs on
/// tiles still in the cache, on a GPU bias goes into cuBLASLt's epilogue and the rest into one following pass.
template <class T>
struct Linear {
  MatrixView<const T> x;         // [rows, in]
  MatrixView<const T> weight;    // [out, in]
  VectorView<const T> bias;      // [out], or empty
  MatrixView<const T> residual;  // [rows, out], or empty
  MatrixView<T> z;               // [rows, out], kept for the backward pass; empty without an activation
  MatrixView<T> y;               // [rows, out]
  Activation activation = Activation::none;
  Math math = Math::f32;
  MatrixView<const bfloat16> rounded_x{}, rounded_weight{};  // as in MatrixProduct

  static constexpr std::string_view name = "linear";
  static constexpr std::string_view library = "cuBLASLt";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("weight", weight), visit("bias", bias), visit("residual", residual), visit("z", z),
        visit("y", y), visit("rounded_x", rounded_x), visit("rounded_weight", rounded_weight);
  }
  void check() const {
    require_shape(*this, "y", y, x.rows, weight.rows);
    require_shape(*this, "weight", weight, weight.rows, x.columns);
    if (rounded_x.data != nullptr) require_shape(*this, "rounded_x", rounded_x, x.rows, x.columns);
    if (rounded_weight.data != nullptr)
      require_shape(*this, "rounded_weight", rounded_weight, weight.rows, weight.columns);
    if (bias.data != nullptr) require_size(*this, "bias", bias, weight.rows);
    if (residual.data != nullptr) require_shape(*this, "residual", residual, y.rows, y.columns);
    if (activation != Activation::none) require_shape(*this, "z", z, y.rows, y.columns);
  }
  Cost cost() const {
    Cost cost = memory_cost(
        *this, 2.0 * static_cast<double>(y.rows) * static_cast<double>(y.columns) * static_cast<double>(x.columns));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

}  // namespace perturbine

// Batch normalisation: every column about its mean over the rows, with the leaky ReLU that follows it in the networks
// that use it.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// z = (x - mean) / sqrt(variance + epsilon) * gain + bias with mean and variance of each column over the rows;
/// y = z where z > 0, else slope z (1: no activation, 0: ReLU). Where they are given, the running statistics move by
/// `momentum` towards the batch's (the variance with rows - 1 in its denominator). At least 2 rows.
/// Source: Ioffe and Szegedy, arXiv:1502.03167, algorithm 1; running statistics as PyTorch's.
template <class T>
struct BatchNorm {
  MatrixView<const T> x;                                        // [rows, width]
  VectorView<const accumulator_t<T>> gain, bias;                // [width]
  MatrixView<T> y;                                              // [rows, width]
  VectorView<accumulator_t<T>> mean, inverse_deviation;         // [width], kept for the backward pass
  VectorView<accumulator_t<T>> running_mean, running_variance;  // [width], or empty
  accumulator_t<T> slope = 1, momentum = accumulator_t<T>(.01), epsilon = accumulator_t<T>(1e-3);

  static constexpr std::string_view name = "batch_norm";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("gain", gain), visit("bias", bias), visit("y", y);
    visit("mean", mean), visit("inverse_deviation", inverse_deviation);
    visit("running_mean", running_mean), visit("running_variance", running_variance);
  }
  void check() const {
    require(x.rows >= 2, "batch_norm: x has ", x.rows, " row(s); a batch's statistics need at least 2");
    require_shape(*this, "y", y, x.rows, x.columns);
    for (const auto& v : {gain, bias}) require_size(*this, "gain and bias", v, x.columns);
    for (const auto& v : {mean, inverse_deviation}) require_size(*this, "mean and inverse_deviation", v, x.columns);
    for (const auto& v : {running_mean, running_variance})
      if (running_mean.data != nullptr || running_variance.data != nullptr)
        require_size(*this, "running statistics", v, x.columns);
  }
  Cost cost() const { return memory_cost(*this, 10.0 * static_cast<double>(x.rows * x.columns)); }
};

/// Gradients of BatchNorm.
template <class T>
struct BatchNormBackward {
  MatrixView<const T> x, dy;                                   // [rows, width]
  VectorView<const accumulator_t<T>> gain, bias;               // [width]
  VectorView<const accumulator_t<T>> mean, inverse_deviation;  // [width]
  MatrixView<T> dx;                                            // [rows, width]
  VectorView<accumulator_t<T>> dgain, dbias;                   // [width]
  accumulator_t<T> slope = 1;
  bool accumulate = false;  // dx is added to

  static constexpr std::string_view name = "batch_norm_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("dy", dy), visit("gain", gain), visit("bias", bias);
    visit("mean", mean), visit("inverse_deviation", inverse_deviation);
    visit("dx", dx), visit("dgain", dgain), visit("dbias", dbias);
  }
  void check() const {
    require_shape(*this, "dy", dy, x.rows, x.columns);
    require_shape(*this, "dx", dx, x.rows, x.columns);
    for (const auto& v : {gain, bias, mean, inverse_deviation})
      require_size(*this, "gain, bias, mean and inverse_deviation", v, x.columns);
    for (const auto& v : {dgain, dbias}) require_size(*this, "dgain and dbias", v, x.columns);
  }
  Cost cost() const { return memory_cost(*this, 16.0 * static_cast<double>(x.rows * x.columns)); }
};

/// The same with statistics that are known beforehand, as after training.
template <class T>
struct BatchNormInference {
  MatrixView<const T> x;                                          // [rows, width]
  VectorView<const accumulator_t<T>> gain, bias, mean, variance;  // [width]
  MatrixView<T> y;                                                // [rows, width]; may be x
  accumulator_t<T> slope = 1, epsilon = accumulator_t<T>(1e-3);

  static constexpr std::string_view name = "batch_norm_inference";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("gain", gain), visit("bias", bias), visit("mean", mean), visit("variance", variance);
    visit("y", y);
  }
  void check() const {
    require_shape(*this, "y", y, x.rows, x.columns);
    for (const auto& v : {gain, bias, mean, variance})
      require_size(*this, "gain, bias, mean and variance", v, x.columns);
  }
  Cost cost() const { return memory_cost(*this, 5.0 * static_cast<double>(x.rows * x.columns)); }
};

}  // namespace perturbine

#include <cmath>

#include "kernels/dense/epilogue.h"
#include "kernels/dense/sparse_product.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {
namespace {
double activate(Activation a, double z) {
  if (a == Activation::silu) return z / (1 + std::exp(-z));
  if (a == Activation::gelu) return .5 * z * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + .044715 * z * z * z)));
  return z;
}
double slope(Activation a, double z) {
  if (a == Activation::silu) {
    const double s = 1 / (1 + std::exp(-z));
    return s + z * s * (1 - s);
  }
  if (a == Activation::gelu) {
    const double k = std::sqrt(2 / M_PI), t = std::tanh(k * (z + .044715 * z * z * z));
    return .5 * (1 + t) + .5 * z * (1 - t * t) * k * (1 + 3 * .044715 * z * z);
  }
  return 1;
}

double element(const MatrixView<const double>& m, bool transposed, std::size_t i, std::size_t j) {
  return transposed ? m(j, i) : m(i, j);
}
}  // namespace

template <>
void execute(const MatrixProduct<double>& op) {
  for (std::size_t i = 0; i < op.c.rows; ++i)
    for (std::size_t j = 0; j < op.c.columns; ++j) {
      double sum = op.accumulate ? op.c(i, j) : 0;
      for (std::size_t k = 0; k < op.inner(); ++k)
        sum += element(op.a, op.transpose_a, i, k) * element(op.b, op.transpose_b, k, j);
      op.c(i, j) = sum;
    }
}

template <>
void execute(const Linear<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      double z = op.bias.data != nullptr ? op.bias[j] : 0;
      for (std::size_t k = 0; k < op.x.columns; ++k) z += op.x(i, k) * op.weight(j, k);
      if (op.z.data != nullptr) op.z(i, j) = z;
      op.y(i, j) = activate(op.activation, z) + (op.residual.data != nullptr ? op.residual(i, j) : 0);
    }
}

template <>
void execute(const BiasActivation<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const double z = op.product(i, j) + (op.bias.data != nullptr ? op.bias[j] : 0);
      if (op.z.data != nullptr) op.z(i, j) = z;
      op.y(i, j) = activate(op.activation, z) + (op.residual.data != nullptr ? op.residual(i, j) : 0);
    }
}

template <>
void execute(const BiasActivationBackward<double>& op) {
  for (std::size_t j = 0; j < op.dy.columns; ++j) {
    double sum = op.dbias.data != nullptr && op.accumulate ? op.dbias[j] : 0;
    for (std::size_t i = 0; i < op.dy.rows; ++i) {
      const double g = op.activation == Activation::none ? op.dy(i, j) : op.dy(i, j) * slope(op.activation, op.z(i, j));
      if (op.activation != Activation::none) op.dz(i, j) = g;
      sum += g;
    }
    if (op.dbias.data != nullptr) op.dbias[j] = sum;
  }
}

template <>
void execute(const SparseProduct<double>& op) {
  for (std::size_t i = 0; i < op.c.rows; ++i)
    for (std::size_t j = 0; j < op.c.columns; ++j) {
      double sum = 0;
      for (auto k = op.a.row_offsets[i]; k < op.a.row_offsets[i + 1]; ++k)
        sum += op.a.values[static_cast<std::size_t>(k)] *
               op.b(static_cast<std::size_t>(op.a.columns[static_cast<std::size_t>(k)]), j);
      op.c(i, j) = sum;
    }
}

}  // namespace perturbine::reference

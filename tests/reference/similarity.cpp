#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/similarity/independence.h"
#include "kernels/similarity/pairwise_gradient.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const PairwiseSum<double>& op) {
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    op.sum[i] = 0;
    for (std::size_t j = 0; j < op.y.rows; ++j) {
      if (op.same && i == j) continue;
      double squared = 0;
      for (std::size_t k = 0; k < op.x.columns; ++k) squared += std::pow(op.x(i, k) - op.y(j, k), 2);
      if (op.kernel == PairKernel::euclidean)
        op.sum[i] += std::sqrt(squared);
      else
        for (std::size_t g = 0; g < op.gammas.size; ++g)
          op.sum[i] += std::exp(-op.gammas[g] * squared) / static_cast<double>(op.gammas.size);
    }
  }
}

namespace {

double squared_distance(const double* a, const double* b, std::size_t width) {
  double sum = 0;
  for (std::size_t k = 0; k < width; ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

}  // namespace

template <>
void execute(const PairwiseSumBackward<double>& op) {
  const std::size_t width = op.x.columns;
  for (std::size_t i = 0; i < op.x.rows && op.dx.data != nullptr; ++i) std::fill_n(op.dx.row(i), width, 0.0);
  for (std::size_t j = 0; j < op.y.rows && op.dy.data != nullptr; ++j) std::fill_n(op.dy.row(j), width, 0.0);
  for (std::size_t i = 0; i < op.x.rows; ++i)
    for (std::size_t j = 0; j < op.y.rows; ++j) {
      if (op.same && i == j) continue;
      const double squared = squared_distance(op.x.row(i), op.y.row(j), width);
      double slope = 0;
      if (op.kernel == PairKernel::euclidean) slope = squared > 0 ? 1 / std::sqrt(squared) : 0;
      for (std::size_t g = 0; g < op.gammas.size && op.kernel == PairKernel::rbf; ++g)
        slope -= 2 * op.gammas[g] * std::exp(-op.gammas[g] * squared) / static_cast<double>(op.gammas.size);
      for (std::size_t k = 0; k < width; ++k) {
        const double term = op.dsum[i] * slope * (op.x(i, k) - op.y(j, k));
        if (op.dx.data != nullptr) op.dx(i, k) += term;
        if (op.same) op.dx(j, k) -= term;
        if (op.dy.data != nullptr) op.dy(j, k) -= term;
      }
    }
}

namespace {

// The matrix of kernels with its rows' and columns' means taken away.
std::vector<double> centred_kernel(const MatrixView<const double>& p, double gamma, std::vector<double>& mean) {
  const std::size_t n = p.rows;
  std::vector<double> k(n * n), centred(n * n);
  mean.assign(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      k[i * n + j] = std::exp(-gamma * squared_distance(p.row(i), p.row(j), p.columns));
      mean[i] += k[i * n + j] / static_cast<double>(n);
      mean[n] += k[i * n + j] / static_cast<double>(n * n);
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) centred[i * n + j] = k[i * n + j] - mean[i] - mean[j] + mean[n];
  return centred;
}

// Gradient of scale * sum over i, j of weight_ij exp(-gamma |p_i - p_j|^2).
void kernel_gradient(const MatrixView<const double>& p, double gamma, const std::vector<double>& weight, double scale,
                     const MatrixView<double>& d) {
  for (std::size_t i = 0; i < p.rows; ++i)
    for (std::size_t k = 0; k < p.columns; ++k) {
      d(i, k) = 0;
      for (std::size_t j = 0; j < p.rows; ++j)
        d(i, k) -= 4 * scale * gamma * weight[i * p.rows + j] *
                   std::exp(-gamma * squared_distance(p.row(i), p.row(j), p.columns)) * (p(i, k) - p(j, k));
    }
}

}  // namespace

template <>
void execute(const Independence<double>& op) {
  std::vector<double> row, column;
  const auto k = centred_kernel(op.x, op.gamma_x, row), l = centred_kernel(op.y, op.gamma_y, column);
  op.value[0] = 0;
  for (std::size_t i = 0; i < k.size(); ++i)
    op.value[0] += k[i] * l[i] / std::pow(static_cast<double>(op.x.rows - 1), 2);
  for (std::size_t i = 0; i < row.size(); ++i) op.row_mean[i] = row[i], op.column_mean[i] = column[i];
}

template <>
void execute(const IndependenceBackward<double>& op) {
  std::vector<double> row, column;
  const auto k = centred_kernel(op.x, op.gamma_x, row), l = centred_kernel(op.y, op.gamma_y, column);
  const double scale = op.dvalue[0] / std::pow(static_cast<double>(op.x.rows - 1), 2);
  kernel_gradient(op.x, op.gamma_x, l, scale, op.dx), kernel_gradient(op.y, op.gamma_y, k, scale, op.dy);
}

}  // namespace perturbine::reference

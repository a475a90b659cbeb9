// Small dense linear algebra on the host, in double, deterministic.
#pragma once
#include <cstdint>
#include <vector>

namespace perturbine {

/// Row-major matrix.
struct HostMatrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> data;
  HostMatrix() = default;
  HostMatrix(std::size_t r, std::size_t c) : rows(r), columns(c), data(r * c, 0.0) {}
  double& operator()(std::size_t i, std::size_t j) { return data[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return data[i * columns + j]; }
  double* row(std::size_t i) { return data.data() + i * columns; }
  const double* row(std::size_t i) const { return data.data() + i * columns; }
};

/// W minimising |A W - Y|^2 + lambda |W|^2: A [n, p], Y [n, g], W [p, g].
HostMatrix ridge(const HostMatrix& A, const HostMatrix& Y, double lambda);
/// Rows `which` of the same (of W, one for each column of A), at the cost of these alone.
HostMatrix ridge_rows(const HostMatrix& A, const HostMatrix& Y, double lambda, const std::vector<std::size_t>& which);

/// X with A X = Y: A [n, n] symmetric and positive definite, Y [n, g].
HostMatrix solve_symmetric(const HostMatrix& A, const HostMatrix& Y);

/// A = V diag(values) V^T of a symmetric A [n, n]: rising values, and V [n, n], whose columns are orthonormal.
struct SymmetricEigen {
  std::vector<double> values;
  HostMatrix vectors;
};
SymmetricEigen symmetric_eigen(const HostMatrix& A);

}  // namespace perturbine

#include "models/linear_algebra.h"

#include <Eigen/Dense>
#include <algorithm>
#include <numeric>

namespace perturbine {
namespace {
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<const Matrix>;
Eigen::Index size(std::size_t n) { return static_cast<Eigen::Index>(n); }
View view(const HostMatrix& m) { return {m.data.data(), size(m.rows), size(m.columns)}; }
}  // namespace

HostMatrix ridge_rows(const HostMatrix& A, const HostMatrix& Y, double lambda, const std::vector<std::size_t>& which) {
  const View a = view(A), y = view(Y);
  const Eigen::MatrixXd K = a * a.transpose() + lambda * Eigen::MatrixXd::Identity(a.rows(), a.rows());
  Eigen::MatrixXd asked(a.rows(), size(which.size()));
  for (std::size_t k = 0; k < which.size(); ++k) asked.col(size(k)) = a.col(size(which[k]));
  const Matrix W = Eigen::MatrixXd(K.ldlt().solve(asked)).transpose() * y;
  HostMatrix out(which.size(), Y.columns);
  std::copy(W.data(), W.data() + W.size(), out.data.begin());
  return out;
}

HostMatrix ridge(const HostMatrix& A, const HostMatrix& Y, double lambda) {
  std::vector<std::size_t> all(A.columns);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return ridge_rows(A, Y, lambda, all);
}

HostMatrix solve_symmetric(const HostMatrix& A, const HostMatrix& Y) {
  const Matrix X = Eigen::MatrixXd(view(A)).ldlt().solve(Eigen::MatrixXd(view(Y)));
  HostMatrix out(Y.rows, Y.columns);
  std::copy(X.data(), X.data() + X.size(), out.data.begin());
  return out;
}

SymmetricEigen symmetric_eigen(const HostMatrix& A) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver{Eigen::MatrixXd(view(A))};
  SymmetricEigen e{{solver.eigenvalues().begin(), solver.eigenvalues().end()}, HostMatrix(A.rows, A.rows)};
  const Matrix V = solver.eigenvectors();
  std::copy(V.data(), V.data() + V.size(), e.vectors.data.begin());
  return e;
}

}  // namespace perturbine

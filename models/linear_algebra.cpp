#include "models/linear_algebra.h"

#include <Eigen/Dense>
#include <algorithm>
#include <numeric>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<const Matrix>;
Eigen::Index size(std::size_t n) { return static_cast<Eigen::Index>(n); }
View view(const HostMatrix& m) { return {m.data.data(), size(m.rows), size(m.columns)}; }
}  // namespace

PrincipalComponents principal_components(const float* x, std::size_t rows, std::size_t columns, std::size_t count) {
  count = std::min({count, rows, columns});
  Matrix X(size(rows), size(columns));
  for (std::size_t i = 0; i < rows * columns; ++i) X.data()[i] = static_cast<double>(x[i]);
  const Eigen::RowVectorXd mean = X.colwise().mean();
  X.rowwise() -= mean;
  const std::size_t width = std::min({count + 10, rows, columns}), side = std::min(rows, columns);
  Matrix Q(size(side), size(width));
  for (std::size_t i = 0; i < side; ++i)
    for (std::size_t j = 0; j < width; j += 4) {
      float z[4];
      normal4(20111, 0, matrix_subsequence(i, j), z);
      for (std::size_t k = 0; k < 4 && j + k < width; ++k) Q(size(i), size(j + k)) = static_cast<double>(z[k]);
    }
  auto orthonormal = [&](const Matrix& m) {
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr{Eigen::MatrixXd(m)};
    return Matrix(qr.householderQ() * Eigen::MatrixXd::Identity(m.rows(), m.cols()));
  };
  Q = orthonormal(Q);
  // Iterations are on the shorter side, with A = X'X or, where there are fewer rows than columns, X X'; kept while
  // small.
  const bool by_rows = rows < columns;
  Eigen::MatrixXd kept;
  if (side <= 4096) {
    kept = Eigen::MatrixXd::Zero(size(side), size(side));
    if (by_rows)
      kept.selfadjointView<Eigen::Lower>().rankUpdate(X);
    else
      kept.selfadjointView<Eigen::Lower>().rankUpdate(X.transpose());
    kept.triangularView<Eigen::StrictlyUpper>() = kept.transpose();
  }
  const auto times_a = [&](const Matrix& q) {
    if (kept.size() > 0) return Matrix(kept * q);
    return by_rows ? Matrix(X * Matrix(X.transpose() * q)) : Matrix(X.transpose() * Matrix(X * q));
  };
  // Each round takes from the span of Q, A Q, A^2 Q, A^3 Q the directions that carry the most variance.
  constexpr Eigen::Index powers = 4;
  Eigen::VectorXd variance = Eigen::VectorXd::Zero(size(width));
  for (int round = 0; round < 40; ++round) {
    Matrix span(Q.rows(), powers * Q.cols());
    for (Eigen::Index k = 0; k < powers; ++k) {
      span.middleCols(k * Q.cols(), Q.cols()) = Q;
      if (k + 1 < powers) Q = orthonormal(times_a(Q));
    }
    if (span.cols() > span.rows()) span = Matrix(span.rightCols(span.rows()));
    const Matrix K = orthonormal(span);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small{Eigen::MatrixXd(K.transpose() * times_a(K))};
    Q = K * small.eigenvectors().rightCols(size(width)).rowwise().reverse();
    const Eigen::VectorXd now = small.eigenvalues().tail(size(width)).reverse();
    const double change = (now - variance).head(size(count)).cwiseAbs().maxCoeff();
    variance = now;
    if (change <= 1e-9 * now.maxCoeff()) break;
  }
  if (by_rows) Q = orthonormal(X.transpose() * Q);  // already orthogonal; their lengths are what they carry
  PrincipalComponents p;
  p.mean.assign(mean.data(), mean.data() + mean.size());
  p.components = HostMatrix(count, columns);
  for (std::size_t k = 0; k < count; ++k) {
    Eigen::VectorXd v = Q.col(size(k));
    Eigen::Index largest;
    v.cwiseAbs().maxCoeff(&largest);
    if (v(largest) < 0) v = -v;  // a sign that does not depend on the iteration
    for (std::size_t j = 0; j < columns; ++j) p.components(k, j) = v(size(j));
    p.variance.push_back(std::max(0.0, variance(size(k))) / static_cast<double>(std::max<std::size_t>(1, rows - 1)));
  }
  return p;
}

std::vector<float> project(const PrincipalComponents& p, const float* x, std::size_t rows) {
  const std::size_t columns = p.mean.size(), count = p.components.rows;
  Matrix X(size(rows), size(columns));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) X(size(i), size(j)) = static_cast<double>(x[i * columns + j]) - p.mean[j];
  const Matrix Z = X * view(p.components).transpose();
  std::vector<float> out(rows * count);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(Z.data()[i]);
  return out;
}

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

}  // namespace perturbine

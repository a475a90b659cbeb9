#include "models/principal_components.h"

#include <Eigen/Dense>
#include <algorithm>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Floats = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
Eigen::Index size(std::size_t n) { return static_cast<Eigen::Index>(n); }

constexpr std::size_t block_rows = 1024;  // of x that are in double at a time
constexpr double sparse_below = 0.12;     // where adding up non-zeros one by one beats a dense product

/// The cells about their mean, never copied whole: what an eigensolver asks of X'X or X X'.
class CentredCells {
 public:
  CentredCells(const float* x, std::size_t rows, std::size_t columns, std::size_t largest_kept)
      : x_(x, size(rows), size(columns)), by_rows_(rows < columns) {
    mean_ = Eigen::RowVectorXd::Zero(size(columns));
    std::size_t filled = 0;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        const float v = x[i * columns + j];
        mean_(size(j)) += static_cast<double>(v);
        filled += v != 0;
      }
    mean_ /= static_cast<double>(rows);
    if (std::min(rows, columns) > largest_kept) return;
    const double share = static_cast<double>(filled) / static_cast<double>(rows * columns);
    kept_ = Eigen::MatrixXd::Zero(side(), side());
    if (share < sparse_below)
      add_sparse_products();
    else
      add_dense_products();
    kept_.triangularView<Eigen::StrictlyUpper>() = kept_.transpose();
  }

  Eigen::Index side() const { return by_rows_ ? x_.rows() : x_.cols(); }
  bool by_rows() const { return by_rows_; }
  const Eigen::RowVectorXd& mean() const { return mean_; }

  /// X'X q, or X X' q where rows are fewer.
  Matrix times_products(const Matrix& q) const {
    if (kept_.size() > 0) return Matrix(kept_ * q);
    if (by_rows_) return times(transposed_times(q));
    Matrix sum = Matrix::Zero(x_.cols(), q.cols());
    for_blocks([&](Eigen::Index, const Matrix& b) { sum.noalias() += b.transpose() * Matrix(b * q); });
    return sum;
  }
  /// X' q.
  Matrix transposed_times(const Matrix& q) const {
    Matrix sum = Matrix::Zero(x_.cols(), q.cols());
    for_blocks(
        [&](Eigen::Index first, const Matrix& b) { sum.noalias() += b.transpose() * q.middleRows(first, b.rows()); });
    return sum;
  }
  /// X q.
  Matrix times(const Matrix& q) const {
    Matrix out(x_.rows(), q.cols());
    for_blocks([&](Eigen::Index first, const Matrix& b) { out.middleRows(first, b.rows()).noalias() = b * q; });
    return out;
  }

 private:
  template <class Body>
  void for_blocks(Body&& body) const {
    Matrix block;
    for (Eigen::Index first = 0; first < x_.rows(); first += size(block_rows)) {
      block = x_.middleRows(first, std::min(size(block_rows), x_.rows() - first)).cast<double>();
      block.rowwise() -= mean_;
      body(first, block);
    }
  }

  void add_dense_products() {
    if (!by_rows_) {
      for_blocks(
          [&](Eigen::Index, const Matrix& b) { kept_.selfadjointView<Eigen::Lower>().rankUpdate(b.transpose()); });
      return;
    }
    for (Eigen::Index first = 0; first < x_.cols(); first += size(block_rows)) {
      const Eigen::Index n = std::min(size(block_rows), x_.cols() - first);
      Matrix block = x_.middleCols(first, n).cast<double>();
      block.rowwise() -= mean_.segment(first, n);
      kept_.selfadjointView<Eigen::Lower>().rankUpdate(block);
    }
  }

  /// Sums of products of the pairs of non-zeros that share a row (or a column), then what centring changes:
  /// (X - 1m')'(X - 1m') = X'X - n m m', and (X - 1m')(X - 1m')' = X X' - X m 1' - 1 (X m)' + m'm 1 1'.
  void add_sparse_products() {
    const Eigen::Index lists = by_rows_ ? x_.cols() : x_.rows();
    std::vector<std::pair<Eigen::Index, double>> filled;
    for (Eigen::Index i = 0; i < lists; ++i) {
      filled.clear();
      for (Eigen::Index j = 0; j < side(); ++j) {
        const float v = by_rows_ ? x_(j, i) : x_(i, j);
        if (v != 0) filled.emplace_back(j, static_cast<double>(v));
      }
      for (std::size_t a = 0; a < filled.size(); ++a) {
        double* column = kept_.col(filled[a].first).data();
        for (std::size_t b = a; b < filled.size(); ++b) column[filled[b].first] += filled[a].second * filled[b].second;
      }
    }
    if (!by_rows_) {
      kept_.selfadjointView<Eigen::Lower>().rankUpdate(mean_.transpose(), -static_cast<double>(x_.rows()));
      return;
    }
    Eigen::VectorXd along(side());
    for (Eigen::Index i = 0; i < side(); ++i) along(i) = x_.row(i).cast<double>().dot(mean_);
    const double constant = mean_.squaredNorm();
    for (Eigen::Index j = 0; j < side(); ++j)
      for (Eigen::Index i = j; i < side(); ++i) kept_(i, j) += constant - along(i) - along(j);
  }

  Floats x_;
  bool by_rows_;
  Eigen::RowVectorXd mean_;
  Eigen::MatrixXd kept_;
};

Matrix orthonormal(const Matrix& m) {
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr{Eigen::MatrixXd(m)};
  return Matrix(qr.householderQ() * Eigen::MatrixXd::Identity(m.rows(), m.cols()));
}

/// Where the iteration starts: normal numbers of a fixed key.
Matrix random_directions(std::size_t rows, std::size_t columns) {
  Matrix q(size(rows), size(columns));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; j += 4) {
      float z[4];
      normal4(20111, 0, matrix_subsequence(i, j), z);
      for (std::size_t k = 0; k < 4 && j + k < columns; ++k) q(size(i), size(j + k)) = static_cast<double>(z[k]);
    }
  return q;
}
}  // namespace

PrincipalComponents principal_components(const float* x, std::size_t rows, std::size_t columns, std::size_t count,
                                         std::size_t largest_kept) {
  count = std::min({count, rows, columns});
  const std::size_t width = std::min({count + 10, rows, columns});
  const CentredCells X(x, rows, columns, largest_kept);
  Matrix Q = orthonormal(random_directions(static_cast<std::size_t>(X.side()), width));
  // Each round takes from the span of Q, A Q, A^2 Q, A^3 Q the directions that carry the most variance.
  constexpr Eigen::Index powers = 4;
  Eigen::VectorXd variance = Eigen::VectorXd::Zero(size(width));
  for (int round = 0; round < 40; ++round) {
    Matrix span(Q.rows(), powers * Q.cols());
    for (Eigen::Index k = 0; k < powers; ++k) {
      span.middleCols(k * Q.cols(), Q.cols()) = Q;
      if (k + 1 < powers) Q = orthonormal(X.times_products(Q));
    }
    if (span.cols() > span.rows()) span = Matrix(span.rightCols(span.rows()));
    const Matrix K = orthonormal(span);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small{Eigen::MatrixXd(K.transpose() * X.times_products(K))};
    Q = K * small.eigenvectors().rightCols(size(width)).rowwise().reverse();
    const Eigen::VectorXd now = small.eigenvalues().tail(size(width)).reverse();
    const double change = (now - variance).head(size(count)).cwiseAbs().maxCoeff();
    variance = now;
    if (change <= 1e-9 * now.maxCoeff()) break;
  }
  if (X.by_rows()) Q = orthonormal(X.transposed_times(Q));  // already orthogonal; their lengths are what they carry
  PrincipalComponents p;
  p.mean.assign(X.mean().data(), X.mean().data() + X.mean().size());
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
  const Floats X(x, size(rows), size(columns));
  const Eigen::Map<const Eigen::RowVectorXd> mean(p.mean.data(), size(columns));
  const Eigen::Map<const Matrix> C(p.components.data.data(), size(count), size(columns));
  std::vector<float> out(rows * count);
  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> Z(out.data(), size(rows),
                                                                                      size(count));
  for (Eigen::Index first = 0; first < size(rows); first += size(block_rows)) {
    Matrix block = X.middleRows(first, std::min(size(block_rows), size(rows) - first)).cast<double>();
    block.rowwise() -= mean;
    Z.middleRows(first, block.rows()) = Matrix(block * C.transpose()).cast<float>();
  }
  return out;
}

}  // namespace perturbine

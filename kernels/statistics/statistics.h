// Statistics of columns (genes): moments, sorting, and what compares two samples.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// Mean and population variance of every column. Two passes; sums over blocks of 64 rows, then over blocks in order.
template <class T>
struct ColumnMoments {
  MatrixView<const T> x;                        // [rows, columns]
  VectorView<accumulator_t<T>> mean, variance;  // [columns]

  static constexpr std::string_view name = "column_moments";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("mean", mean), visit("variance", variance);
  }
  void check() const {
    for (const auto& v : {mean, variance}) require_size(*this, "mean and variance", v, x.columns);
  }
  Cost cost() const { return memory_cost(*this, 4.0 * static_cast<double>(x.rows * x.columns)); }
};

/// y[j] = column j of x, rising: columns become rows.
template <class T>
struct SortColumns {
  MatrixView<const T> x;  // [rows, columns]
  MatrixView<T> y;        // [columns, rows]

  static constexpr std::string_view name = "sort_columns";
  static constexpr std::string_view library = "CUB";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y);
  }
  void check() const { require_shape(*this, "y", y, x.columns, x.rows); }
  Cost cost() const { return memory_cost(*this, 0); }
};

/// Two samples of every gene, sorted (SortColumns), gene by gene:
///   wasserstein = integral of |F_a - F_b|: the exact one-dimensional Wasserstein-1 distance
///   crps        = mean over observations b of the fair continuous ranked probability score of ensemble a,
///                 mean_i |a_i - b| - sum_ij |a_i - a_j| / (2 n (n - 1))
/// Source: Villani (2003), eq. 2.48; Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917.
template <class T>
struct CompareSorted {
  MatrixView<const T> a, b;                        // [genes, n], [genes, m], rows rising
  VectorView<accumulator_t<T>> wasserstein, crps;  // [genes]

  static constexpr std::string_view name = "compare_sorted";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("a", a), visit("b", b), visit("wasserstein", wasserstein), visit("crps", crps);
  }
  void check() const {
    require(a.columns >= 2 && b.columns >= 1, "compare_sorted: needs two samples of a and one of b, got ", a.columns,
            " and ", b.columns);
    require(a.rows == b.rows, "compare_sorted: a has ", a.rows, " genes but b has ", b.rows);
    for (const auto& v : {wasserstein, crps}) require_size(*this, "wasserstein and crps", v, a.rows);
  }
  Cost cost() const { return memory_cost(*this, 10.0 * static_cast<double>(a.rows * (a.columns + b.columns))); }
};

}  // namespace perturbine

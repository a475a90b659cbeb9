// What sorted samples tell besides distances: the rank-sum statistic of two, and quantiles of one.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {
namespace formulas {

/// Walks two rising samples once: u counts the pairs in which a's value is the larger, ties half; ties adds t^3 - t
/// over the groups of equal values, t their size in both samples together.
PERTURBINE_HOST_DEVICE inline void rank_sum(const float* a, std::size_t n, const float* b, std::size_t m, double& u,
                                            double& ties) {
  u = ties = 0;
  std::size_t i = 0, j = 0;
  while (i < n || j < m) {
    const float value = j == m || (i < n && a[i] <= b[j]) ? a[i] : b[j];
    const std::size_t before_a = i, before_b = j;
    while (i < n && a[i] == value) ++i;
    while (j < m && b[j] == value) ++j;
    const double of_a = static_cast<double>(i - before_a), of_b = static_cast<double>(j - before_b), t = of_a + of_b;
    u += of_a * (static_cast<double>(before_b) + 0.5 * of_b);
    ties += t * (t - 1) * (t + 1);
  }
}

/// The quantile at probability p of n rising numbers, linear between the order statistics (numpy's default, type 7 of
/// Hyndman and Fan, Am. Stat. 50 (1996) 361).
PERTURBINE_HOST_DEVICE inline float quantile(const float* x, std::size_t n, float p) {
  const double at = static_cast<double>(p) * static_cast<double>(n - 1);
  const std::size_t below = static_cast<std::size_t>(at), above = below + 1 < n ? below + 1 : below;
  const double share = at - static_cast<double>(below);
  return static_cast<float>((1 - share) * static_cast<double>(x[below]) + share * static_cast<double>(x[above]));
}

}  // namespace formulas

/// The Mann-Whitney statistic of two samples of every gene, sorted (SortColumns), and its standard score with the
/// correction for ties, without one for continuity:
///   u = number of pairs a > b, ties half;  score = (u - n m / 2) / sqrt(n m / 12 (N + 1 - sum (t^3 - t) / (N (N -
///   1))))
/// with N = n + m; 0 where all values are equal. Source: Mann and Whitney, Ann. Math. Stat. 18 (1947) 50; Lehmann,
/// Nonparametrics (1975), eq. 1.35.
template <class T>
struct RankSum {
  MatrixView<const T> a, b;               // [genes, n], [genes, m], rows rising
  VectorView<accumulator_t<T>> u, score;  // [genes]

  static constexpr std::string_view name = "rank_sum";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("a", a), visit("b", b), visit("u", u), visit("score", score);
  }
  void check() const {
    require(a.columns >= 1 && b.columns >= 1, "rank_sum: needs a sample of each, got ", a.columns, " and ", b.columns);
    require(a.rows == b.rows, "rank_sum: a has ", a.rows, " genes but b has ", b.rows);
    for (const auto& v : {u, score}) require_size(*this, "u and score", v, a.rows);
  }
  Cost cost() const { return memory_cost(*this, 10.0 * static_cast<double>(a.rows * (a.columns + b.columns))); }
};

/// y(g, k) = quantile of row g of x at probability[k]; see formulas::quantile.
template <class T>
struct Quantiles {
  MatrixView<const T> x;                           // [genes, n], rows rising
  VectorView<const accumulator_t<T>> probability;  // [k], in [0, 1]
  MatrixView<T> y;                                 // [genes, k]

  static constexpr std::string_view name = "quantiles";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("probability", probability), visit("y", y);
  }
  void check() const {
    require(x.columns >= 1, "quantiles: x has no numbers");
    require_shape(*this, "y", y, x.rows, probability.size);
  }
  Cost cost() const {
    const double numbers = static_cast<double>(y.rows * y.columns);
    return {3.0 * numbers * sizeof(T), 8.0 * numbers, Ceiling::memory};
  }
};

namespace formulas {

/// The standard score; the differences in double, the quotients in float (a division of doubles costs a GPU a call).
PERTURBINE_HOST_DEVICE inline float rank_score(double u, double ties, double n, double m) {
  const double all = n + m, pairs = all * (all - 1), spread = (all + 1) * pairs - ties;
  if (!(spread > 0)) return 0.0f;  // one value
  const float variance = static_cast<float>(n * m * spread) / static_cast<float>(12 * pairs);
  return static_cast<float>(u - 0.5 * n * m) / __builtin_sqrtf(variance);
}

}  // namespace formulas
}  // namespace perturbine

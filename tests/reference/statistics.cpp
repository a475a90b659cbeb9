#include "kernels/statistics/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/similarity/independence.h"
#include "kernels/similarity/pairwise_gradient.h"
#include "kernels/statistics/rank_sum.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const ColumnMoments<double>& op) {
  const double n = static_cast<double>(op.x.rows);
  for (std::size_t j = 0; j < op.x.columns; ++j) {
    op.mean[j] = op.variance[j] = 0;
    for (std::size_t i = 0; i < op.x.rows; ++i) op.mean[j] += op.x(i, j) / n;
    for (std::size_t i = 0; i < op.x.rows; ++i) op.variance[j] += std::pow(op.x(i, j) - op.mean[j], 2) / n;
  }
}

template <>
void execute(const SortColumns<double>& op) {
  for (std::size_t j = 0; j < op.x.columns; ++j) {
    std::vector<double> v;
    for (std::size_t i = 0; i < op.x.rows; ++i) v.insert(std::upper_bound(v.begin(), v.end(), op.x(i, j)), op.x(i, j));
    std::copy(v.begin(), v.end(), op.y.row(j));
  }
}

// By the definitions: pairs for the CRPS, the integral over a fine merge for the Wasserstein distance.
template <>
void execute(const CompareSorted<double>& op) {
  const double n = static_cast<double>(op.a.columns), m = static_cast<double>(op.b.columns);
  for (std::size_t g = 0; g < op.a.rows; ++g) {
    double cross = 0, spread = 0;
    std::vector<double> merged;
    for (std::size_t i = 0; i < op.a.columns; ++i) {
      merged.push_back(op.a(g, i));
      for (std::size_t j = 0; j < op.b.columns; ++j) cross += std::abs(op.a(g, i) - op.b(g, j)) / n / m;
      for (std::size_t j = 0; j < op.a.columns; ++j) spread += std::abs(op.a(g, i) - op.a(g, j));
    }
    for (std::size_t j = 0; j < op.b.columns; ++j) merged.push_back(op.b(g, j));
    std::sort(merged.begin(), merged.end());
    op.crps[g] = cross - spread / (2 * n * (n - 1));
    op.wasserstein[g] = 0;
    for (std::size_t k = 0; k + 1 < merged.size(); ++k) {
      double fa = 0, fb = 0;
      for (std::size_t i = 0; i < op.a.columns; ++i) fa += op.a(g, i) <= merged[k] ? 1 / n : 0;
      for (std::size_t j = 0; j < op.b.columns; ++j) fb += op.b(g, j) <= merged[k] ? 1 / m : 0;
      op.wasserstein[g] += (merged[k + 1] - merged[k]) * std::abs(fa - fb);
    }
  }
}

// Pair by pair, and every value's group counted anew.
template <>
void execute(const RankSum<double>& op) {
  const double n = static_cast<double>(op.a.columns), m = static_cast<double>(op.b.columns);
  for (std::size_t g = 0; g < op.a.rows; ++g) {
    double u = 0, ties = 0;
    std::vector<double> all(op.a.row(g), op.a.row(g) + op.a.columns);
    all.insert(all.end(), op.b.row(g), op.b.row(g) + op.b.columns);
    for (std::size_t i = 0; i < op.a.columns; ++i)
      for (std::size_t j = 0; j < op.b.columns; ++j)
        u += op.a(g, i) > op.b(g, j) ? 1 : op.a(g, i) == op.b(g, j) ? .5 : 0;
    for (const double v : all) {  // each of a group's t members adds t^2 - 1
      const double t = static_cast<double>(std::count(all.begin(), all.end(), v));
      ties += t * t - 1;
    }
    const double N = n + m, variance = n * m / 12 * (N + 1 - ties / (N * (N - 1)));
    op.u[g] = u;
    op.score[g] = variance > 1e-9 ? (u - n * m / 2) / std::sqrt(variance) : 0;
  }
}

template <>
void execute(const Quantiles<double>& op) {
  for (std::size_t g = 0; g < op.x.rows; ++g)
    for (std::size_t k = 0; k < op.y.columns; ++k) {
      const double at = op.probability[k] * static_cast<double>(op.x.columns - 1), below = std::floor(at);
      const double low = op.x(g, static_cast<std::size_t>(below)),
                   high = op.x(g, static_cast<std::size_t>(std::ceil(at)));
      op.y(g, k) = low + (at - below) * (high - low);
    }
}

}  // namespace perturbine::reference

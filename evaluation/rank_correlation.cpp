#include "evaluation/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace perturbine {

std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> r(x.size());
  for (std::size_t i = 0, j = 0; i < order.size(); i = j) {
    while (j < order.size() && x[order[j]] == x[order[i]]) ++j;
    for (std::size_t k = i; k < j; ++k) r[order[k]] = static_cast<double>(i + j + 1) / 2;
  }
  return r;
}

std::optional<double> rank_correlation(const std::vector<double>& x, const std::vector<double>& y) {
  for (const double v : y)
    if (std::isnan(v)) return std::nullopt;
  if (x.size() < 4 || x.size() != y.size()) return std::nullopt;
  const auto a = ranks(x), b = ranks(y);
  const double centre = static_cast<double>(x.size() + 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - centre) * (b[i] - centre);
    aa += (a[i] - centre) * (a[i] - centre), bb += (b[i] - centre) * (b[i] - centre);
  }
  return aa > 0 && bb > 0 ? std::optional(ab / std::sqrt(aa * bb)) : std::nullopt;
}

}  // namespace perturbine

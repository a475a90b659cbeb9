#include "evaluation/distribution_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "evaluation/responders.h"
#include "kernels/core/philox.h"
#include "kernels/similarity/similarity.h"
#include "kernels/statistics/rank_sum.h"
#include "kernels/statistics/statistics.h"
#include "models/optimal_transport.h"

namespace perturbine {
namespace {

double mean_distance(Queue& queue, MatrixView<const float> a, MatrixView<const float> b, bool same) {
  std::vector<float> sum(a.rows);
  execute(queue.cpu(), PairwiseSum<float>{a, b, {}, {sum.data(), sum.size()}, PairKernel::euclidean, same});
  double total = 0;
  for (const float s : sum) total += static_cast<double>(s);
  return total / (static_cast<double>(a.rows) * static_cast<double>(same ? b.rows - 1 : b.rows));
}

// E |x - y| - E |x - x'| / 2 over held-out cells y: the multivariate CRPS.
double energy_score(Queue& queue, MatrixView<const float> x, MatrixView<const float> y) {
  return mean_distance(queue, x, y, false) - mean_distance(queue, x, x, true) / 2;
}

// 2 E |x - y|^2 - E |x - x'|^2 - E |y - y'|^2 over unequal pairs, from means and variances alone.
double squared_energy_distance(MatrixView<const float> x, MatrixView<const float> y) {
  double between = 0, within = 0;
  for (std::size_t k = 0; k < x.columns; ++k) {
    auto column = [&](MatrixView<const float> m) {
      const double n = static_cast<double>(m.rows);
      double mean = 0, square = 0;
      for (std::size_t i = 0; i < m.rows; ++i) mean += static_cast<double>(m(i, k)) / n;
      for (std::size_t i = 0; i < m.rows; ++i) square += std::pow(static_cast<double>(m(i, k)) - mean, 2);
      return std::array{mean, square / n, square / (n - 1)};
    };
    const auto a = column(x), b = column(y);
    between += a[1] + b[1] + (a[0] - b[0]) * (a[0] - b[0]);
    within += a[2] + b[2];
  }
  return 2 * between - 2 * within;
}

std::vector<float> packed(MatrixView<const float> m) {
  std::vector<float> out;
  for (std::size_t i = 0; i < m.rows; ++i) out.insert(out.end(), m.row(i), m.row(i) + m.columns);
  return out;
}

}  // namespace

double sinkhorn_divergence(Queue& queue, MatrixView<const float> x, MatrixView<const float> y) {
  const std::vector<float> a = packed(x), b = packed(y);
  const std::size_t width = x.columns;
  double variance = 0;  // the mean squared distance of two points is twice the variance
  for (std::size_t k = 0; k < width; ++k) {
    double mean = 0;
    for (std::size_t i = 0; i < y.rows; ++i) mean += static_cast<double>(y(i, k)) / static_cast<double>(y.rows);
    for (std::size_t i = 0; i < y.rows; ++i)
      variance += std::pow(static_cast<double>(y(i, k)) - mean, 2) / static_cast<double>(y.rows);
  }
  const TransportSettings settings{.epsilon = std::max(1e-9, .2 * variance), .iterations = 100, .absolute = true};
  auto transport = [&](const std::vector<float>& u, const std::vector<float>& v) {
    const TransportPlan plan = transport_plan(queue, u, v, width, Coupling::balanced, settings);
    double value = 0;
    for (const float f : plan.f) value += static_cast<double>(f) / static_cast<double>(plan.rows);
    for (const float g : plan.g) value += static_cast<double>(g) / static_cast<double>(plan.columns);
    return value;
  };
  return transport(a, b) - transport(a, a) / 2 - transport(b, b) / 2;
}

double knn_mixing(MatrixView<const float> x, MatrixView<const float> y, std::size_t neighbours) {
  const std::size_t n = std::min(x.rows, y.rows), k = std::min(neighbours, 2 * n - 1);
  double share = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<std::pair<float, bool>> distance;
    for (std::size_t j = 0; j < 2 * n; ++j) {
      if (j == i) continue;
      const bool from_y = j >= n;
      const float* other = from_y ? y.row(j - n) : x.row(j);
      float square = 0;
      for (std::size_t c = 0; c < x.columns; ++c) square += (x(i, c) - other[c]) * (x(i, c) - other[c]);
      distance.emplace_back(square, from_y);
    }
    std::partial_sort(distance.begin(), distance.begin() + static_cast<std::ptrdiff_t>(k), distance.end());
    for (std::size_t j = 0; j < k; ++j) share += distance[j].second ? 1 : 0;
  }
  return share / static_cast<double>(n * k);
}

void add_distribution_metrics(Queue& queue, const EvaluationSpace& space, const HeldOut& t, const Prediction& p,
                              const Moments& real, const std::vector<std::size_t>& top, std::vector<MetricValue>& out,
                              std::vector<double>* pit_counts) {
  const std::size_t G = t.genes;
  Cpu& cpu = queue.cpu();
  auto add = [&](const char* name, double v) { out.push_back({name, v, "ok"}); };
  auto skip = [&](const char* name) { out.push_back({name, std::nan(""), "not-applicable"}); };
  if (p.count < 2) {
    for (const char* name : {"energy_distance", "energy_distance_squared", "rbf_mmd", "sinkhorn_divergence",
                             "wasserstein1", "variance_ratio", "zero_fraction_error", "knn_mixing",
                             "rare_fraction_error", "bimodality_error", "augmentation_gain", "crps", "energy_score",
                             "coverage_90", "coverage_90_de20", "interval_width", "pit_error", "pit_error_de20"})
      skip(name);
    return;
  }
  // At most 400 cells on each side.
  const std::size_t n = std::min<std::size_t>(400, t.real_cells), m = std::min<std::size_t>(400, p.count);
  const std::vector<float> zr = project(space.components, t.real.data(), n),
                           zp = project(space.components, p.cells.data(), m);
  const std::size_t K = space.components.components.rows;
  const MatrixView<const float> vr = matrix(zr.data(), n, K), vp = matrix(zp.data(), m, K);
  add("energy_distance", energy_distance(queue, vp, vr));
  const std::size_t ten = std::min<std::size_t>(10, K);
  add("energy_distance_squared", squared_energy_distance(vp, vr));
  add("rbf_mmd", rbf_mmd(queue, vp.column_slice(0, ten), vr.column_slice(0, ten)));
  add("sinkhorn_divergence", sinkhorn_divergence(queue, vp, vr));
  add("knn_mixing", knn_mixing(vp, vr, 20));
  const std::size_t controls = std::min<std::size_t>(400, t.control_cells);
  const std::vector<float> zc = project(space.components, t.control.data(), controls);
  const MatrixView<const float> vc = matrix(zc.data(), controls, K);
  add("rare_fraction_error", rare_fraction_error(vp, vr, vc));
  add("bimodality_error", bimodality_error(vp, vr, vc));
  if (const double gain = augmentation_gain(vp, vr, vc); std::isnan(gain))
    skip("augmentation_gain");
  else
    add("augmentation_gain", gain);

  std::vector<float> sorted_p(G * m), sorted_r(G * n), wasserstein(G), crps(G);
  execute(cpu, SortColumns<float>{matrix(p.cells.data(), m, G), matrix(sorted_p.data(), G, m)});
  execute(cpu, SortColumns<float>{matrix(t.real.data(), n, G), matrix(sorted_r.data(), G, n)});
  execute(cpu, CompareSorted<float>{matrix<const float>(sorted_p.data(), G, m),
                                    matrix<const float>(sorted_r.data(), G, n),
                                    {wasserstein.data(), G},
                                    {crps.data(), G}});
  auto average = [&](const std::vector<float>& v) {
    double s = 0;
    for (const float x : v) s += static_cast<double>(x) / static_cast<double>(v.size());
    return s;
  };
  add("wasserstein1", average(wasserstein));
  const Moments cells = moments(cpu, p.cells, p.count, G);
  add("variance_ratio", std::accumulate(cells.variance.begin(), cells.variance.end(), 0.0) /
                            std::max(1e-12, std::accumulate(real.variance.begin(), real.variance.end(), 0.0)));
  constexpr std::size_t levels = 7;
  double below_level[levels] = {}, below_level_top[levels] = {};
  double zero_error = 0, covered = 0, counted = 0, covered_top = 0, counted_top = 0, width = 0, wide = 0;
  for (std::size_t g = 0; g < G; ++g) {
    const float *sp = sorted_p.data() + g * m, *sr = sorted_r.data() + g * n;
    const double zp0 = static_cast<double>(std::upper_bound(sp, sp + m, 0.0f) - sp) / static_cast<double>(m);
    const double zr0 = static_cast<double>(std::upper_bound(sr, sr + n, 0.0f) - sr) / static_cast<double>(n);
    zero_error += std::abs(zp0 - zr0) / static_cast<double>(G);
    const bool is_top = std::find(top.begin(), top.end(), g) != top.end(), expressed = zr0 < .8;
    if (!is_top && !expressed) continue;
    // Randomised PIT: uniform between F(y-) and F(y) of the generated sample.
    for (std::size_t i = 0; i < n; ++i) {
      const double below = static_cast<double>(std::lower_bound(sp, sp + m, sr[i]) - sp),
                   upto = static_cast<double>(std::upper_bound(sp, sp + m, sr[i]) - sp);
      const double u = static_cast<double>(uniform(philox(0x917, g, i).word[0]));
      // One place more than cells: a value beyond them all is not certain to lie outside.
      const double pit = (below + u * (upto - below + 1)) / static_cast<double>(m + 1);
      // How many PITs lie at or below seven even levels.
      for (std::size_t level = 0; level < levels; ++level) {
        if (pit > static_cast<double>(level + 1) / (levels + 1)) continue;
        if (expressed) below_level[level] += 1;
        if (is_top) below_level_top[level] += 1;
      }
      const double inside = pit >= .05 && pit <= .95 ? 1 : 0;
      if (expressed) covered += inside, counted += 1;
      if (is_top) covered_top += inside, counted_top += 1;
    }
    if (expressed) {
      const auto at = [&](double q) {
        return static_cast<double>(sp[static_cast<std::size_t>(q * static_cast<double>(m - 1))]);
      };
      width += at(.95) - at(.05), wide += 1;
    }
  }
  add("zero_fraction_error", zero_error);
  add("crps", average(crps));
  add("energy_score", energy_score(queue, vp, vr));
  if (counted > 0)
    add("coverage_90", covered / counted);
  else
    skip("coverage_90");
  if (counted_top > 0)
    add("coverage_90_de20", covered_top / counted_top);
  else
    skip("coverage_90_de20");
  if (wide > 0)
    add("interval_width", width / wide);
  else
    skip("interval_width");
  auto pit_error = [&](const char* name, const double* counts, double total) {
    if (total == 0) return skip(name);
    double error = 0;
    for (std::size_t level = 0; level < levels; ++level)
      error += std::abs(counts[level] / total - static_cast<double>(level + 1) / (levels + 1)) / levels;
    add(name, error);
  };
  pit_error("pit_error", below_level, counted);
  pit_error("pit_error_de20", below_level_top, counted_top);
  if (pit_counts == nullptr) return;
  pit_counts->assign(below_level, below_level + levels);
  pit_counts->push_back(counted);
}

}  // namespace perturbine

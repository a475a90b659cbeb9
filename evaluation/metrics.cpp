#include "evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/core/philox.h"
#include "kernels/similarity/similarity.h"
#include "kernels/statistics/statistics.h"

namespace perturbine {
namespace {

using Vector = std::vector<double>;

std::optional<double> correlation(const Vector& a, const Vector& b) {
  const double n = static_cast<double>(a.size());
  const double ma = std::accumulate(a.begin(), a.end(), 0.0) / n, mb = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  // A spread of 1e-5 of log expression is the rounding of float means, not a prediction.
  if (aa <= 1e-10 * n || bb <= 1e-10 * n) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

Vector minus(const Vector& a, const Vector& b) {
  Vector d(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  return d;
}

Vector pick(const Vector& a, const std::vector<std::size_t>& which) {
  Vector out;
  for (const std::size_t i : which) out.push_back(a[i]);
  return out;
}

struct Moments {
  Vector mean, variance;
};
Moments moments(Cpu& cpu, const std::vector<float>& cells, std::size_t count, std::size_t genes) {
  std::vector<float> mean(genes), variance(genes);
  execute(cpu,
          ColumnMoments<float>{matrix(cells.data(), count, genes), {mean.data(), genes}, {variance.data(), genes}});
  return {{mean.begin(), mean.end()}, {variance.begin(), variance.end()}};
}

// What remains of y after regression on x (with intercept).
Vector residual(const Vector& y, const Vector& x) {
  const double n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n, my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
  }
  Vector r(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) r[i] = y[i] - my - (xx > 0 ? xy / xx : 0) * (x[i] - mx);
  return r;
}

// A correlation of what is left; numerically nothing (as for predictions linear in x) is undefined.
std::optional<double> partial_correlation(const Vector& a, const Vector& b, const Vector& x) {
  const Vector ra = residual(a, x), rb = residual(b, x);
  double left = 0, whole = 0;
  for (std::size_t i = 0; i < a.size(); ++i) left += ra[i] * ra[i], whole += a[i] * a[i];
  if (left <= 1e-12 * whole) return std::nullopt;
  return correlation(ra, rb);
}

}  // namespace

void set_moments(HeldOut& t, const std::vector<float>& cells) {
  t.all_cells = cells.size() / t.genes;
  t.real_mean.assign(t.genes, 0), t.real_variance.assign(t.genes, 0);
  const double n = static_cast<double>(t.all_cells);
  for (std::size_t i = 0; i < cells.size(); ++i) t.real_mean[i % t.genes] += static_cast<double>(cells[i]) / n;
  for (std::size_t i = 0; i < cells.size(); ++i)
    t.real_variance[i % t.genes] += std::pow(static_cast<double>(cells[i]) - t.real_mean[i % t.genes], 2) / n;
}

double energy_distance(Queue& queue, MatrixView<const float> x, MatrixView<const float> y) {
  auto mean = [&](MatrixView<const float> a, MatrixView<const float> b, bool same) {
    std::vector<float> sum(a.rows);
    execute(queue.cpu(), PairwiseSum<float>{a, b, {}, {sum.data(), sum.size()}, PairKernel::euclidean, same});
    double total = 0;
    for (const float s : sum) total += static_cast<double>(s);
    return total / (static_cast<double>(a.rows) * static_cast<double>(same ? b.rows - 1 : b.rows));
  };
  return 2 * mean(x, y, false) - mean(x, x, true) - mean(y, y, true);
}

double rbf_mmd(Queue& queue, MatrixView<const float> x, MatrixView<const float> y) {
  static const float gammas[] = {2, 1, .5f, .1f, .01f, .005f};
  auto mean = [&](MatrixView<const float> a, MatrixView<const float> b, bool same) {
    std::vector<float> sum(a.rows);
    execute(queue.cpu(), PairwiseSum<float>{a, b, {gammas, 6}, {sum.data(), sum.size()}, PairKernel::rbf, same});
    double total = 0;
    for (const float s : sum) total += static_cast<double>(s);
    return total / (static_cast<double>(a.rows) * static_cast<double>(same ? b.rows - 1 : b.rows));
  };
  return mean(x, x, true) + mean(y, y, true) - 2 * mean(x, y, false);
}

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names{"mse",
                                              "mse_top20",
                                              "mse_cells",
                                              "l2",
                                              "pearson_delta",
                                              "pearson_delta_top20",
                                              "pearson_delta_centroid",
                                              "cosine_logfc",
                                              "interaction_correlation",
                                              "interaction_partial",
                                              "energy_distance",
                                              "rbf_mmd",
                                              "wasserstein1",
                                              "variance_ratio",
                                              "zero_fraction_error",
                                              "crps",
                                              "coverage_90",
                                              "coverage_90_de20",
                                              "interval_width"};
  return names;
}

int metric_direction(const std::string& m) {
  if (m == "variance_ratio" || m == "coverage_90" || m == "coverage_90_de20") return 0;
  if (m.starts_with("pearson") || m.starts_with("cosine") || m.starts_with("interaction")) return 1;
  return -1;
}

std::vector<MetricValue> evaluate_condition(Queue& queue, const EvaluationSpace& space, const HeldOut& t,
                                            const Prediction& p) {
  const std::size_t G = t.genes;
  Cpu& cpu = queue.cpu();
  const Moments real{t.real_mean, t.real_variance}, control = moments(cpu, t.control, t.control_cells, G);
  const Vector truth = minus(real.mean, control.mean), predicted = minus(p.mean, control.mean);

  // The 20 genes of largest |Welch t|, held-out against control.
  Vector welch(G);
  for (std::size_t g = 0; g < G; ++g) {
    const double n = static_cast<double>(t.all_cells), m = static_cast<double>(t.control_cells);
    const double error = real.variance[g] / std::max(1.0, n - 1) + control.variance[g] / std::max(1.0, m - 1);
    welch[g] = error > 0 ? std::abs(truth[g]) / std::sqrt(error) : 0;
  }
  std::vector<std::size_t> top(G);
  std::iota(top.begin(), top.end(), std::size_t{0});
  std::stable_sort(top.begin(), top.end(), [&](std::size_t a, std::size_t b) { return welch[a] > welch[b]; });
  top.resize(std::min<std::size_t>(20, G));

  std::vector<MetricValue> out;
  auto add = [&](const char* name, double v) { out.push_back({name, v, "ok"}); };
  auto add_correlation = [&](const char* name, const std::optional<double>& v) {
    out.push_back({name, v.value_or(0), v ? "ok" : "undefined"});
  };
  auto skip = [&](const char* name) { out.push_back({name, std::nan(""), "not-applicable"}); };

  double squares = 0, top_squares = 0;
  for (std::size_t g = 0; g < G; ++g) squares += std::pow(p.mean[g] - real.mean[g], 2);
  for (const std::size_t g : top)
    top_squares += std::pow(p.mean[g] - real.mean[g], 2) / static_cast<double>(top.size());
  add("mse", squares / static_cast<double>(G));
  add("mse_top20", top_squares);
  if (p.count > 0) {
    const Moments cells = moments(cpu, p.cells, p.count, G);
    double s = 0;
    for (std::size_t g = 0; g < G; ++g) s += std::pow(cells.mean[g] - real.mean[g], 2) / static_cast<double>(G);
    add("mse_cells", s);
  } else {
    skip("mse_cells");
  }
  add("l2", std::sqrt(squares));
  add_correlation("pearson_delta", correlation(predicted, truth));
  add_correlation("pearson_delta_top20", correlation(pick(predicted, top), pick(truth, top)));
  add_correlation("pearson_delta_centroid",
                  correlation(minus(p.mean, t.training_mean), minus(real.mean, t.training_mean)));
  {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t g = 0; g < G; ++g) {
      auto logfc = [&](double m) {
        return std::log2((std::expm1(std::max(0.0, m)) + .1) / (std::expm1(std::max(0.0, control.mean[g])) + .1));
      };
      const double a = logfc(p.mean[g]), b = logfc(real.mean[g]);
      ab += a * b, aa += a * a, bb += b * b;
    }
    add_correlation("cosine_logfc", aa > 1e-9 && bb > 1e-9 ? std::optional(ab / std::sqrt(aa * bb)) : std::nullopt);
  }
  if (t.additive_delta) {
    add_correlation("interaction_correlation",
                    correlation(minus(predicted, *t.additive_delta), minus(truth, *t.additive_delta)));
    add_correlation("interaction_partial", partial_correlation(predicted, truth, *t.additive_delta));
  } else {
    skip("interaction_correlation");
    skip("interaction_partial");
  }
  if (p.count < 2) {
    for (const char* name : {"energy_distance", "rbf_mmd", "wasserstein1", "variance_ratio", "zero_fraction_error",
                             "crps", "coverage_90", "coverage_90_de20", "interval_width"})
      skip(name);
    return out;
  }

  // At most 400 cells on each side.
  const std::size_t n = std::min<std::size_t>(400, t.real_cells), m = std::min<std::size_t>(400, p.count);
  const std::vector<float> zr = project(space.components, t.real.data(), n),
                           zp = project(space.components, p.cells.data(), m);
  const std::size_t K = space.components.components.rows;
  const MatrixView<const float> vr = matrix(zr.data(), n, K), vp = matrix(zp.data(), m, K);
  add("energy_distance", energy_distance(queue, vp, vr));
  const std::size_t ten = std::min<std::size_t>(10, K);
  add("rbf_mmd", rbf_mmd(queue, vp.column_slice(0, ten), vr.column_slice(0, ten)));

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
  return out;
}

}  // namespace perturbine

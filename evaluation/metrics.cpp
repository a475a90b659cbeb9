#include "evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evaluation/differential_expression.h"
#include "evaluation/distribution_metrics.h"
#include "evaluation/enrichment.h"
#include "evaluation/rank_correlation.h"
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

Moments moments(Cpu& cpu, const std::vector<float>& cells, std::size_t count, std::size_t genes) {
  std::vector<float> mean(genes), variance(genes);
  execute(cpu,
          ColumnMoments<float>{matrix(cells.data(), count, genes), {mean.data(), genes}, {variance.data(), genes}});
  return {{mean.begin(), mean.end()}, {variance.begin(), variance.end()}};
}

void set_moments(HeldOut& t, const std::vector<float>& cells) {
  t.all_cells = cells.size() / t.genes;
  t.real_mean.assign(t.genes, 0), t.real_variance.assign(t.genes, 0);
  const double n = static_cast<double>(t.all_cells);
  for (std::size_t i = 0; i < cells.size(); ++i) t.real_mean[i % t.genes] += static_cast<double>(cells[i]) / n;
  for (std::size_t i = 0; i < cells.size(); ++i)
    t.real_variance[i % t.genes] += std::pow(static_cast<double>(cells[i]) - t.real_mean[i % t.genes], 2) / n;
}

std::vector<double> control_mean(const HeldOut& t) {
  Vector control(t.genes, 0);
  for (std::size_t i = 0; i < t.control.size(); ++i)
    control[i % t.genes] += static_cast<double>(t.control[i]) / static_cast<double>(t.control_cells);
  return control;
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
                                              "rmse",
                                              "mae",
                                              "l2",
                                              "l2_top1000",
                                              "pearson_delta",
                                              "pearson_delta_top20",
                                              "pearson_delta_centroid",
                                              "cosine_logfc",
                                              "weighted_mse",
                                              "r2_delta",
                                              "rank",
                                              "pds_l1",
                                              "centroid_accuracy",
                                              "de_overlap",
                                              "de_direction",
                                              "de_recall",
                                              "de_pr_auc",
                                              "energy_distance",
                                              "energy_distance_squared",
                                              "rbf_mmd",
                                              "sinkhorn_divergence",
                                              "wasserstein1",
                                              "variance_ratio",
                                              "zero_fraction_error",
                                              "knn_mixing",
                                              "interaction_correlation",
                                              "interaction_partial",
                                              "rare_fraction_error",
                                              "bimodality_error",
                                              "augmentation_gain",
                                              "crps",
                                              "energy_score",
                                              "coverage_90",
                                              "coverage_90_de20",
                                              "interval_width",
                                              "pit_error",
                                              "pit_error_de20",
                                              "bits_per_gene",
                                              "coverage_90_mean",
                                              "stated_error",
                                              "error_uncertainty_spearman",
                                              "enrichment_spearman",
                                              "known_interaction_spearman"};
  return names;
}

std::optional<double> metric_target(const std::string& m) {
  if (m == "variance_ratio") return 1;
  if (m == "coverage_90" || m == "coverage_90_de20" || m == "coverage_90_mean") return .9;
  if (m == "knn_mixing") return .5;
  return std::nullopt;
}

int metric_direction(const std::string& m) {
  if (metric_target(m)) return 0;
  for (const char* larger : {"pearson", "cosine", "interaction", "r2_", "pds_", "centroid_accuracy", "de_",
                             "error_uncertainty", "enrichment", "augmentation", "known_interaction"})
    if (m.starts_with(larger)) return 1;
  return -1;
}

std::vector<MetricValue> evaluate_condition(Queue& queue, const EvaluationSpace& space, const HeldOut& t,
                                            const Prediction& p, std::vector<double>* pit) {
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
  add("rmse", std::sqrt(squares / static_cast<double>(G)));
  double absolute = 0;
  for (std::size_t g = 0; g < G; ++g) absolute += std::abs(p.mean[g] - real.mean[g]) / static_cast<double>(G);
  add("mae", absolute);
  add("l2", std::sqrt(squares));
  {
    std::vector<std::size_t> order(G);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t x, std::size_t y) { return control.mean[x] > control.mean[y]; });
    double sum = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(1000, G); ++i)
      sum += std::pow(p.mean[order[i]] - real.mean[order[i]], 2);
    add("l2_top1000", std::sqrt(sum));
  }
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
  {
    // Weights: |Welch t|, which sum to one.
    const double total = std::accumulate(welch.begin(), welch.end(), 0.0);
    double sum = 0, left = 0, around = 0;
    const double centre = std::accumulate(truth.begin(), truth.end(), 0.0) / static_cast<double>(G);
    for (std::size_t g = 0; g < G; ++g) {
      sum += total > 0 ? welch[g] / total * std::pow(p.mean[g] - real.mean[g], 2) : 0;
      left += std::pow(predicted[g] - truth[g], 2), around += std::pow(truth[g] - centre, 2);
    }
    add("weighted_mse", sum);
    if (around > 1e-10 * static_cast<double>(G))
      add("r2_delta", 1 - left / around);
    else
      skip("r2_delta");
  }
  if (t.additive_delta) {
    add_correlation("interaction_correlation",
                    correlation(minus(predicted, *t.additive_delta), minus(truth, *t.additive_delta)));
    add_correlation("interaction_partial", partial_correlation(predicted, truth, *t.additive_delta));
  } else {
    skip("interaction_correlation");
    skip("interaction_partial");
  }
  add_differential_metrics(queue, t, p, control.mean, out);
  add_distribution_metrics(queue, space, t, p, real, top, out, pit);
  if (space.gene_sets.empty()) {
    skip("enrichment_spearman");
  } else {
    // No more than the rounding of means is no change (as in correlation()), whose ranks would mean nothing.
    double spread = 0;
    for (const double d : predicted) spread += d * d;
    add_correlation("enrichment_spearman",
                    spread <= 1e-10 * static_cast<double>(G)
                        ? std::nullopt
                        : rank_correlation(enrichment(space.gene_sets, predicted), enrichment(space.gene_sets, truth)));
  }
  if (p.bits_per_gene)
    add("bits_per_gene", *p.bits_per_gene);
  else
    skip("bits_per_gene");
  if (p.stated.half_width.empty()) {
    skip("coverage_90_mean"), skip("stated_error");
  } else {
    double inside = 0;
    for (std::size_t g = 0; g < G; ++g) inside += std::abs(p.mean[g] - real.mean[g]) <= p.stated.half_width[g] ? 1 : 0;
    add("coverage_90_mean", inside / static_cast<double>(G));
    add("stated_error", p.stated.error);
  }
  return out;
}

}  // namespace perturbine

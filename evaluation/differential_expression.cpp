#include "evaluation/differential_expression.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/statistics/rank_sum.h"
#include "kernels/statistics/statistics.h"

namespace perturbine {
namespace {

constexpr double false_discovery_rate = .05;
constexpr std::size_t most_cells = 400;

// An even choice of at most `most` rows, gene by gene and rising: [genes, rows].
std::vector<float> sorted_genes(Cpu& cpu, const std::vector<float>& cells, std::size_t count, std::size_t genes,
                                std::size_t most) {
  const std::size_t n = std::min(count, most);
  std::vector<float> some, sorted(n * genes);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = cells.begin() + static_cast<std::ptrdiff_t>(i * count / n * genes);
    some.insert(some.end(), row, row + static_cast<std::ptrdiff_t>(genes));
  }
  execute(cpu, SortColumns<float>{matrix(some.data(), n, genes), matrix(sorted.data(), genes, n)});
  return sorted;
}

}  // namespace

std::vector<double> benjamini_hochberg(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const double rank = static_cast<double>(p.size() - k);
    least = std::min(least, p[order[k]] * static_cast<double>(p.size()) / rank);
    adjusted[order[k]] = least;
  }
  return adjusted;
}

double average_precision(const std::vector<double>& score, const std::vector<bool>& truth) {
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
  double found = 0, sum = 0;
  for (std::size_t k = 0; k < order.size();) {
    double here = 0;
    const double value = score[order[k]];
    for (; k < order.size() && score[order[k]] == value; ++k) here += truth[order[k]] ? 1 : 0;
    found += here;
    sum += here * found / static_cast<double>(k);
  }
  return found > 0 ? sum / found : 0;
}

DifferentialExpression differential_expression(Queue& queue, MatrixView<const float> cells,
                                               MatrixView<const float> controls) {
  const std::size_t G = cells.rows;
  std::vector<float> u(G), score(G);
  execute(queue.cpu(), RankSum<float>{cells, controls, {u.data(), G}, {score.data(), G}});
  DifferentialExpression d{{score.begin(), score.end()}, {}};
  std::vector<double> p;
  for (const double z : d.score) p.push_back(std::erfc(std::abs(z) / std::sqrt(2.0)));
  d.adjusted = benjamini_hochberg(p);
  return d;
}

void add_differential_metrics(Queue& queue, const HeldOut& t, const Prediction& p,
                              const std::vector<double>& control_mean, std::vector<MetricValue>& out) {
  const std::size_t G = t.genes;
  Cpu& cpu = queue.cpu();
  auto skip = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) out.push_back({name, std::nan(""), "not-applicable"});
  };
  // As many generated cells as real ones, so that one test is as strong as the other.
  const std::size_t n = std::min(t.real_cells, most_cells), m = std::min(t.control_cells, most_cells);
  const auto controls = sorted_genes(cpu, t.control, t.control_cells, G, most_cells),
             real = sorted_genes(cpu, t.real, t.real_cells, G, most_cells);
  const MatrixView<const float> control_view = matrix<const float>(controls.data(), G, m);
  const auto truth = differential_expression(queue, matrix<const float>(real.data(), G, n), control_view);
  std::vector<bool> significant(G);
  std::size_t count = 0;
  for (std::size_t g = 0; g < G; ++g)
    if (truth.adjusted[g] < false_discovery_rate) significant[g] = true, ++count;
  if (count == 0) return skip({"de_overlap", "de_direction", "de_recall", "de_pr_auc"});

  auto log_fold = [&](const std::vector<double>& mean, std::size_t g) {
    auto level = [](double x) { return std::log2(std::expm1(std::max(0.0, x)) + .1); };
    return level(mean[g]) - level(control_mean[g]);
  };
  std::vector<std::size_t> order(G);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> size(G);
  for (std::size_t g = 0; g < G; ++g) size[g] = std::abs(log_fold(p.mean, g));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size[a] > size[b]; });
  double overlap = 0, direction = 0;
  for (std::size_t k = 0; k < count; ++k) overlap += significant[order[k]] && size[order[k]] > 1e-9 ? 1 : 0;
  for (std::size_t g = 0; g < G; ++g)
    direction += significant[g] && log_fold(p.mean, g) * log_fold(t.real_mean, g) > 0 ? 1 : 0;
  out.push_back({"de_overlap", overlap / static_cast<double>(count), "ok"});
  out.push_back({"de_direction", direction / static_cast<double>(count), "ok"});
  if (p.count < 2) return skip({"de_recall", "de_pr_auc"});
  const auto generated = sorted_genes(cpu, p.cells, p.count, G, n);
  const auto said =
      differential_expression(queue, matrix<const float>(generated.data(), G, std::min(n, p.count)), control_view);
  double recalled = 0;
  std::vector<double> strength(G);
  for (std::size_t g = 0; g < G; ++g) {
    recalled += significant[g] && said.adjusted[g] < false_discovery_rate ? 1 : 0;
    strength[g] = std::abs(said.score[g]);
  }
  out.push_back({"de_recall", recalled / static_cast<double>(count), "ok"});
  out.push_back({"de_pr_auc", average_precision(strength, significant), "ok"});
}

}  // namespace perturbine

#include "evaluation/scoring.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace perturbine {
namespace {

// Ranks from 1, ties sharing their mean.
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

// Spearman's; none of fewer than four values or where one side has a value missing or all alike.
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

}  // namespace

void Scoring::score(const std::string& model, std::uint64_t seed, const std::string& fold, const Fold::Entry& entry,
                    const HeldOut& truth, const Prediction& prediction) {
  std::vector<double> pit;
  add(model, seed, fold, entry, truth, prediction.mean, evaluate_condition(queue_, space_, truth, prediction, &pit));
  add_pit(model, pit);
}

void Scoring::add_pit(const std::string& model, const std::vector<double>& counts) {
  if (counts.empty()) return;
  auto& sum = results_.pit[model];
  sum.resize(counts.size(), 0);
  for (std::size_t level = 0; level < counts.size(); ++level) sum[level] += counts[level];
}

void Scoring::add(const std::string& model, std::uint64_t seed, const std::string& fold, const Fold::Entry& entry,
                  const HeldOut& truth, const std::vector<double>& mean, const std::vector<MetricValue>& values) {
  for (const MetricValue& v : values)
    results_.rows.push_back({model, seed, fold, entry.group, entry.label, entry.context, v});
  Profile p{fold, {entry.label, entry.context, entry.group, {}}, {mean, truth.real_mean, {}}};
  p.mean.control.assign(truth.genes, 0);
  for (std::size_t i = 0; i < truth.control.size(); ++i)
    p.mean.control[i % truth.genes] += static_cast<double>(truth.control[i]) / static_cast<double>(truth.control_cells);
  profiles_[{model, seed, entry.context, entry.group}].push_back(std::move(p));
}

void Scoring::finish() {
  for (const auto& [key, profiles] : profiles_) {
    std::vector<MeanProfile> means;
    for (const Profile& p : profiles) means.push_back(p.mean);
    const auto values = discrimination(means);
    for (std::size_t i = 0; i < profiles.size(); ++i)
      for (const MetricValue& v : values[i])
        results_.rows.push_back({std::get<0>(key), std::get<1>(key), profiles[i].fold, profiles[i].entry.group,
                                 profiles[i].entry.label, profiles[i].entry.context, v});
  }
  profiles_.clear();
  std::map<std::pair<std::string, std::uint64_t>, std::pair<std::vector<double>, std::vector<double>>> errors;
  for (const ResultRow& row : results_.rows) {
    if (row.value.metric == "l2") errors[{row.model, row.seed}].first.push_back(row.value.value);
    if (row.value.metric == "stated_error") errors[{row.model, row.seed}].second.push_back(row.value.value);
  }
  for (const auto& [key, both] : errors) {
    const auto rho = rank_correlation(both.first, both.second);
    if (rho)
      results_.rows.push_back({key.first, key.second, "", "", "", "", {"error_uncertainty_spearman", *rho, "ok"}});
  }
  summarise(results_);
}

}  // namespace perturbine

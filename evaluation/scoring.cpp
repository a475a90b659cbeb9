#include "evaluation/scoring.h"

#include <algorithm>
#include <cmath>

#include "evaluation/rank_correlation.h"

namespace perturbine {
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
  const auto known = space_.known_interactions.find(entry.label);
  if (known != space_.known_interactions.end() && truth.additive_delta) {
    const auto control = control_mean(truth);
    double beyond = 0, sum = 0;
    for (std::size_t g = 0; g < mean.size(); ++g) {
      const double additive = (*truth.additive_delta)[g];
      beyond += std::pow(mean[g] - control[g] - additive, 2), sum += additive * additive;
    }
    if (beyond < 1e-8 * sum) beyond = 0;  // rounding would be ranked
    auto& both = interactions_[{model, seed}];
    both.first.push_back(std::sqrt(beyond / std::max(sum, 1e-12)));
    both.second.push_back(std::abs(known->second));
  }
  Profile p{fold, {entry.label, entry.context, entry.group, {}}, {mean, truth.real_mean, control_mean(truth)}};
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
  for (const auto& [key, both] : interactions_) {
    if (both.first.size() < 4) continue;
    const auto rho = rank_correlation(both.first, both.second);
    results_.rows.push_back({key.first,
                             key.second,
                             "",
                             "",
                             "",
                             "",
                             {"known_interaction_spearman", rho.value_or(0), rho ? "ok" : "undefined"}});
  }
  interactions_.clear();
  summarise(results_);
}

}  // namespace perturbine

#include "evaluation/scoring.h"

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
  summarise(results_);
}

}  // namespace perturbine

#include "models/closed_form_mean.h"

#include <algorithm>

namespace perturbine {
namespace {
void add_change(std::vector<double>& mean, const std::vector<double>& delta) {
  for (std::size_t g = 0; g < mean.size(); ++g) mean[g] = std::max(0.0, mean[g] + delta[g]);
}
}  // namespace

ClosedFormMean::ClosedFormMean(const TrainingData& data, const PrincipalComponents& components) {
  effects_.emplace(data);
  shrunk_.emplace(effects_->shrunk());
  choice_.emplace(*effects_);
  transfer_.emplace(*effects_, components);
}

std::vector<double> ClosedFormMean::by_rule(const EffectTable& observed, const EffectTable& shrunk,
                                            const Condition& condition) const {
  const MeanRule& rule = choice_->rule(stratum_of(condition, observed));
  return FittedMean(rule.shrunk ? shrunk : observed, rule, &condition).delta(condition);
}

std::vector<double> ClosedFormMean::by_rule(const Condition& condition) const {
  const Stratum stratum = stratum_of(condition, *effects_);
  const std::lock_guard lock(fitted_->mutex);
  auto found = fitted_->by_stratum.find(stratum);
  if (found == fitted_->by_stratum.end()) {
    const MeanRule& rule = choice_->rule(stratum);
    found = fitted_->by_stratum.emplace(stratum, FittedMean(rule.shrunk ? *shrunk_ : *effects_, rule)).first;
  }
  return found->second.delta(condition);
}

std::vector<double> ClosedFormMean::mean(const Query& q) const {
  std::vector<double> m = effects_->control_mean(q.context);
  if (q.condition.is_control()) return m;
  if (const auto* seen = effects_->observed(q.condition, q.context))
    add_change(m, *seen);
  else if (transfer_->knows(q.condition, q.context))
    add_change(m, transfer_->delta(q.condition, q.context));
  else
    add_change(m, by_rule(q.condition));
  return m;
}

std::vector<double> ClosedFormMean::left_out_mean(const Query& q) const {
  std::vector<double> m = effects_->control_mean(q.context);
  if (q.condition.is_control()) return m;
  if (transfer_->knows(q.condition, q.context)) {
    add_change(m, transfer_->delta(q.condition, q.context));
    return m;
  }
  for (std::size_t i = 0; i < shrunk_->rows().size(); ++i)
    if (shrunk_->rows()[i].condition == q.condition) {
      add_change(m, by_rule(effects_->without(i), shrunk_->without(i), q.condition));
      return m;
    }
  return mean(q);
}

std::vector<std::string> ClosedFormMean::report() const {
  auto lines = choice_->report();
  if (!transfer_->report().empty()) lines.push_back(transfer_->report());
  return lines;
}

}  // namespace perturbine

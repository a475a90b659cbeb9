// The closed-form mean of any condition in any context: seen changes as they are, others by the rule that
// leave-one-out chooses, of shrunken changes. No number of it comes from a network.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "models/context_transfer.h"
#include "models/mean_model.h"

namespace perturbine {

class ClosedFormMean {
 public:
  ClosedFormMean() = default;
  /// `components` may be empty (no projections among the rules).
  ClosedFormMean(const TrainingData& data, const PrincipalComponents& components);
  /// Never below zero.
  std::vector<double> mean(const Query& query) const;
  /// What mean() would say of a training condition had it not been seen there (the rules' choice is kept).
  std::vector<double> left_out_mean(const Query& query) const;
  /// Whether training cells of this condition in this context were there.
  bool was_seen(const Query& query) const { return effects_->observed(query.condition, query.context) != nullptr; }
  /// Whether an unseen mean would come from the same condition in other contexts.
  bool transfers(const Query& query) const { return transfer_->knows(query.condition, query.context); }
  /// How far the nearest of those contexts is.
  double nearest_context(const Query& query) const { return transfer_->nearest(query.condition, query.context); }
  const EffectTable& effects() const { return *effects_; }
  std::vector<std::string> report() const;

 private:
  std::vector<double> by_rule(const EffectTable& observed, const EffectTable& shrunk, const Condition& condition) const;
  /// The same from all training conditions; rules are fitted once. Samplers ask at every step.
  std::vector<double> by_rule(const Condition& condition) const;
  struct FittedRules {
    std::mutex mutex;
    std::map<Stratum, FittedMean> by_stratum;
  };
  std::shared_ptr<FittedRules> fitted_ = std::make_shared<FittedRules>();
  std::optional<EffectTable> effects_, shrunk_;
  std::optional<RuleChoice> choice_;
  std::optional<ContextTransfer> transfer_;
};

}  // namespace perturbine

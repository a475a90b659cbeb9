// Closed-form means: what a condition changes on average, from the training conditions' mean changes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "io/batch.h"
#include "models/linear_algebra.h"

namespace perturbine {

/// Mean changes against controls of the same context. With several contexts a condition's change is averaged over the
/// contexts it was seen in.
class EffectTable {
 public:
  explicit EffectTable(const TrainingData& data);
  struct Row {
    Condition condition;
    std::vector<double> delta;  // [genes]
    double squared_error = 0;   // expected |delta - truth|^2: sampling variance of condition and control means
  };
  const std::vector<Row>& rows() const { return rows_; }
  std::size_t genes() const { return genes_; }
  std::size_t contexts() const { return control_mean_.size(); }
  const std::vector<double>& control_mean(std::size_t context) const { return control_mean_[context]; }
  /// A condition's change in one context, by (label, context).
  struct Pair {
    std::vector<double> delta;
    double squared_error = 0;
  };
  const std::map<std::pair<std::string, std::size_t>, Pair>& pairs() const { return pairs_; }
  /// The observed change of a condition in a context, if that pair was seen; else null.
  const std::vector<double>* observed(const Condition& condition, std::size_t context) const;
  /// The same table with every change shrunk towards zero by its own noise: the positive-part James-Stein factor
  /// 1 - squared_error / |delta|^2 (Efron and Morris, J. Am. Stat. Assoc. 68 (1973) 117).
  EffectTable shrunk() const;
  /// Without one condition: for leave-one-out.
  EffectTable without(std::size_t row) const;
  /// Features of perturbations, or null.
  const PerturbationFeatures* features() const { return features_.get(); }
  const std::shared_ptr<const PerturbationFeatures>& shared_features() const { return features_; }

 private:
  EffectTable() = default;
  std::size_t genes_ = 0;
  std::shared_ptr<const PerturbationFeatures> features_;
  std::vector<Row> rows_;
  std::vector<std::vector<double>> control_mean_;
  std::map<std::pair<std::string, std::size_t>, Pair> pairs_;
};

/// One closed-form rule for the change of any condition.
struct MeanRule {
  enum class Kind { no_change, mean, additive, ridge };
  Kind kind = Kind::no_change;
  double lambda = .1;  // ridge
  double prior = 1;    // ridge: share of the mean change that each part has before any evidence
  bool shrunk = true;  // of changes shrunk by their noise, or as observed: a ridge shrinks by itself
  /// Above 0: a part without a change of its own gets what kernel ridge regression (this lambda) of the other parts'
  /// deviations from their mean on their features says; Gaussian kernel, as wide as the median distance of those parts.
  double features = 0;
  std::string name() const;
};

/// A rule fitted to a table.
///   mean      the mean of all training changes
///   additive  sum over parts of weight * change seen alone; parts never seen alone count as the mean change. A part
///   seen
///             alone at several weights (doses): monotone cubic interpolation between zero and these, beyond the
///             largest as there; seen at one: in proportion
///   ridge     sum over parts of weight * (prior * mean + w_part), w from ridge regression of the changes on which
///             parts occur (multi-hot), of what the prior leaves
class FittedMean {
 public:
  /// `only`: the one condition that delta() will be asked for, if that is known; a ridge is then solved for its parts
  /// alone.
  FittedMean(const EffectTable& table, const MeanRule& rule, const Condition* only = nullptr);
  std::vector<double> delta(const Condition& condition) const;

 private:
  MeanRule rule_;
  std::size_t genes_;
  std::vector<double> mean_;
  std::map<std::string, std::vector<double>> part_;
  using DoseCurve = std::map<double, std::vector<double>>;  // changes seen alone, by weight
  static std::vector<double> at(const DoseCurve& curve, double weight);
  std::map<std::string, DoseCurve> curve_;  // additive
  /// Kernel regression on features; see MeanRule::features.
  void learn_from_features(const EffectTable& table);
  /// Empty where nothing is known of the part.
  std::vector<double> by_features(const std::string& part) const;
  std::shared_ptr<const PerturbationFeatures> features_;
  std::vector<const float*> known_;  // features of the parts learned from
  HostMatrix weights_;               // [known, genes]
  double width_ = 1;                 // of the kernel, squared
};

/// How much is known of a condition: the number of its parts, how many of them were seen alone, how many only within
/// other combinations, and how many alone at a larger dose, so that theirs lies between known ones.
struct Stratum {
  std::size_t parts = 0, seen = 0, met = 0, between_doses = 0;
  auto operator<=>(const Stratum&) const = default;
};
Stratum stratum_of(const Condition& condition, const EffectTable& table);

/// For each stratum the rule with the least leave-one-out error on the training conditions of that stratum; where fewer
/// than three are there, `additive` when any part was seen alone, else ridge(.1, .5) of the observed changes when any
/// was met in a combination (what is known of a part counts, an unknown part counts as half the mean change), else the
/// best over all strata.
class RuleChoice {
 public:
  explicit RuleChoice(const EffectTable& table);
  const MeanRule& rule(const Stratum& s) const;
  /// One line per stratum, for the log.
  std::vector<std::string> report() const;

 private:
  std::map<Stratum, MeanRule> chosen_;
  MeanRule additive_{MeanRule::Kind::additive, .1, 1}, met_{MeanRule::Kind::ridge, .1, .5, false}, fallback_;
  std::vector<std::string> report_;
};

}  // namespace perturbine

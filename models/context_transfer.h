// The change of a condition in a context where it was not seen, from the contexts where it was.
#pragma once
#include <string>
#include <vector>

#include "models/mean_model.h"
#include "models/principal_components.h"

namespace perturbine {

/// One closed-form rule. With weights w over the contexts c' that saw the condition, D(p, c) the observed changes and
/// M(c) the mean change of the other conditions in c:
///   from_others  scale * sum of w D(p, c')
///   about_mean   M(c) + scale * sum of w (D(p, c') - M(c'))
///   about_pool   the same with the control among the others: where changes are small and controls few, the pool of all
///                cells is the best guess of any of them
///   profile      kernel ridge regression of D(p, c') on the contexts' mean control cells (linear kernel)
/// w is even, or falls with the distance of mean control cells, exp(-bandwidth (d / median d)^2), and may be divided by
/// the squared error of D (M is then weighed likewise). `shrunk`: scale is the positive-part James-Stein factor of the
/// weighted sum instead. `project`: the change is projected on the leading 20 principal components of training cells.
struct TransferRule {
  enum class Kind { no_change, from_others, about_mean, about_pool, profile };
  Kind kind = Kind::no_change;
  double scale = 1, bandwidth = 0, ridge = 0;
  bool precise = false, shrunk = false, project = false;
  bool needs_context_mean() const { return kind == Kind::about_mean || kind == Kind::about_pool; }
  std::string name() const;
};

/// The rule with the least leave-one-out error over the training pairs of condition and context whose condition other
/// contexts saw too: the root of the squared error of the mean, averaged over pairs. about_mean needs perturbed cells
/// in the query's context; where there are none the best of the other rules is taken.
class ContextTransfer {
 public:
  ContextTransfer(const EffectTable& effects, const PrincipalComponents& components);
  /// Whether another context saw the condition.
  bool knows(const Condition& condition, std::size_t context) const;
  std::vector<double> delta(const Condition& condition, std::size_t context) const;
  /// How far the context's mean control cell lies from the nearest context that saw the condition.
  double nearest(const Condition& condition, std::size_t context) const;
  /// A line for the log; empty where there was nothing to choose.
  std::string report() const { return report_; }

 private:
  struct Source {
    std::size_t context;
    const std::vector<double>* delta;
    double squared_error;
  };
  std::vector<Source> sources(const std::string& label, std::size_t context) const;
  /// Empty where the rule does not apply.
  std::vector<double> apply(const TransferRule& rule, const std::string& label, std::size_t context) const;
  /// M(c) without one condition; empty if there is none.
  std::vector<double> mean_of_others(const std::string& label, std::size_t context, const TransferRule& rule) const;
  double distance(std::size_t a, std::size_t b) const { return distance_[a * contexts_ + b]; }

  EffectTable effects_;
  HostMatrix components_;  // at most 20, or none in gene space
  std::size_t contexts_ = 0;
  std::vector<double> distance_, inner_;  // of mean control cells, [contexts, contexts]
  double median_ = 1;
  TransferRule chosen_, without_mean_;
  std::string report_;
};

}  // namespace perturbine

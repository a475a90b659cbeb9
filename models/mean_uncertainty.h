// How far the closed-form mean may miss what a condition's cells will show, gene by gene: from how well the training
// conditions determine it, scaled so that intervals hold on training conditions left out.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/closed_form_mean.h"
#include "models/model.h"

namespace perturbine {

/// Statements about the observed mean of n cells. Variance of gene g before scaling, w_g / n with w_g the variance of
/// cells within a condition, and
///   combinations      t_g (u + .02). t_g: mean square of a part's change. u: x' (A'A / lambda + I)^-1 x, the posterior
///                     variance of ridge regression (lambda .1) on which parts training conditions have, x the query's
///                     parts; a part never met adds its weight squared
///   other contexts    d^2 times the mean of squared leave-one-out error over d^2, d the distance of mean control cells
///   to
///                     the nearest context that saw the condition
/// Intervals are scaled by the 90 % quantile of |error| / sd over genes and training pairs of condition and context,
/// each left out (split conformal prediction with leave-one-out residuals: Vovk et al. 2005; Barber et al., Ann. Stat.
/// 49 (2021) 486), within the query's stratum where at least three pairs are in it, else over all strata; widened by
/// how much such a quantile of the other pairs (strata) is short on one that it left out. The expected norm is scaled
/// likewise by the ratio of squared errors to variances.
class MeanUncertainty {
 public:
  MeanUncertainty() = default;
  MeanUncertainty(const TrainingData& data, const ClosedFormMean& means);
  /// Of the mean of `cells` cells; 0: of the true mean. Nothing is said of seen conditions and between times.
  MeanStatement state(const Query& query, const ClosedFormMean& means, std::size_t cells) const;
  std::vector<std::string> report() const;

  struct Scale {
    double interval = 0, square = 0;
  };

 private:
  /// Of combinations the stratum; none: known from other contexts.
  using Kind = std::optional<Stratum>;
  double leverage(const Condition& condition) const;
  std::vector<double> variance(const Kind& kind, double leverage, double cells) const;

  std::map<std::string, std::size_t> number_;                   // of parts
  HostMatrix inverse_;                                          // (A'A + lambda)^-1
  std::vector<double> part_square_, within_, transfer_square_;  // t_g, w_g, mean squared error over d^2
  std::map<Kind, Scale> scale_;
  std::map<Kind, std::size_t> judged_;
  Scale scale_of_all_;  // 0: nothing to judge by
};

}  // namespace perturbine

// Metrics that ask whether a prediction is nearer to its own condition than to others.
#pragma once
#include <vector>

#include "evaluation/metrics.h"

namespace perturbine {

/// Predicted and real mean of one held-out condition, and the control mean of its context.
struct MeanProfile {
  std::vector<double> predicted, real, control;  // [genes]
};

/// For each of several conditions of one context:
///   rank               share of the other predictions that lie at most as far (RMSE) from the condition's real mean as
///                      its own; ties count half. 0 is best, 1/2 chance (Wu et al., PerturBench, arXiv:2408.10609)
///   pds_l1             1 - r / n, r the number of real changes nearer (L1) to the predicted change than its own, ties
///                      half (Arc Institute, cell-eval: discrimination_score_l1)
///   centroid_accuracy  share of the other real means that lie further from the prediction than its own, ties half
///                      (Vinas Torne et al. 2025)
/// Fewer than two conditions: not-applicable.
std::vector<std::vector<MetricValue>> discrimination(const std::vector<MeanProfile>& profiles);

}  // namespace perturbine

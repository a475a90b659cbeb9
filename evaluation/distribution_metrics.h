// Metrics of the cells themselves rather than of their mean.
#pragma once
#include "evaluation/metrics.h"

namespace perturbine {

struct Moments {
  std::vector<double> mean, variance;  // [genes]
};
/// Of the columns of cells [count, genes].
Moments moments(Cpu& cpu, const std::vector<float>& cells, std::size_t count, std::size_t genes);

/// Appends them to `out`; `real` are the moments of all held-out cells, `top` the most changed genes. A prediction of
/// fewer than two cells has none: not-applicable. `pit` as in evaluate_condition.
void add_distribution_metrics(Queue& queue, const EvaluationSpace& space, const HeldOut& truth,
                              const Prediction& prediction, const Moments& real, const std::vector<std::size_t>& top,
                              std::vector<MetricValue>& out, std::vector<double>* pit = nullptr);

/// S = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2 by entropic transport of squared distances, entropy a tenth of the mean
/// squared distance within y (Feydy et al., arXiv:1810.08278, eq. 3).
double sinkhorn_divergence(Queue& queue, MatrixView<const float> x, MatrixView<const float> y);

/// Mean share of y among the `neighbours` nearest points (itself left out) of each x, in the pool of both cut to one
/// size: a half where they mix.
double knn_mixing(MatrixView<const float> x, MatrixView<const float> y, std::size_t neighbours);

}  // namespace perturbine

// Which genes differ from control, and how well a prediction says so.
#pragma once
#include <vector>

#include "evaluation/metrics.h"

namespace perturbine {

/// Standard scores of the rank-sum test of every gene between cells and controls (positive: higher in the cells), and
/// p-values adjusted for the number of genes (two-sided, normal approximation with ties, without continuity correction;
/// Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289).
struct DifferentialExpression {
  std::vector<double> score, adjusted;
};
/// `cells` and `controls` [genes, cells] are sorted gene by gene.
DifferentialExpression differential_expression(Queue& queue, MatrixView<const float> cells,
                                               MatrixView<const float> controls);
/// Adjusted p-values in the order given.
std::vector<double> benjamini_hochberg(const std::vector<double>& p);
/// Mean over the true items of the precision at their place, by falling score; ties share the precision behind them (as
/// scikit-learn's average_precision_score).
double average_precision(const std::vector<double>& score, const std::vector<bool>& truth);

/// Appends de_overlap, de_direction, de_recall and de_pr_auc.
void add_differential_metrics(Queue& queue, const HeldOut& truth, const Prediction& prediction,
                              const std::vector<double>& control_mean, std::vector<MetricValue>& out);

}  // namespace perturbine

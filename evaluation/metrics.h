// Metrics of generated against real cells. Formulas and conventions: docs/metrics.md.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/queue.h"
#include "models/model.h"
#include "models/principal_components.h"

namespace perturbine {

/// One number, or why there is none.
struct MetricValue {
  std::string metric;
  double value = 0;
  std::string status = "ok";  // ok, undefined (a constant vector: counts as 0), not-applicable
};

struct GeneSet {
  std::string name;
  std::vector<std::size_t> genes;  // numbers of measured ones, rising
};
/// What all metrics of one data set share; computed once. Without gene sets there is no enrichment.
struct EvaluationSpace {
  std::vector<std::string> gene_names;
  PrincipalComponents components;  // 50, of all real log1p cells
  std::vector<GeneSet> gene_sets = {};
  std::map<std::string, double> known_interactions = {};  // score by label
};

/// One held-out condition in one context.
struct HeldOut {
  std::vector<float> real;     // [cells, genes] log1p: at most 400, evenly chosen, for everything but means
  std::vector<float> control;  // [cells, genes], of the same context
  std::size_t real_cells = 0, control_cells = 0, genes = 0;
  std::vector<double> real_mean, real_variance;  // [genes], of all held-out cells
  std::size_t all_cells = 0;
  std::vector<double> training_mean;  // mean over training perturbed conditions' means (centroid reference)
  std::optional<std::vector<double>> additive_delta;  // of doubles with both parts seen alone
};

/// Fills mean, variance and number of all held-out cells, [cells, genes].
void set_moments(HeldOut& truth, const std::vector<float>& cells);

/// Mean of the control cells, [genes].
std::vector<double> control_mean(const HeldOut& truth);

struct Prediction {
  std::vector<double> mean;  // [genes]
  std::vector<float> cells;  // [count, genes] log1p, or empty: a model of means
  std::size_t count = 0;
  MeanStatement stated = {};                 // about the observed mean of all held-out cells
  std::optional<double> bits_per_gene = {};  // of held-out cells, where the model has a likelihood
};

/// Every metric of one held-out condition that needs no others, in the order of metric_names(). `pit` receives how many
/// held-out values of the genes that coverage_90 looks at have a randomised PIT of at most 1/8, 2/8, ... 1.
std::vector<MetricValue> evaluate_condition(Queue& queue, const EvaluationSpace& space, const HeldOut& truth,
                                            const Prediction& prediction, std::vector<double>* pit = nullptr);
const std::vector<std::string>& metric_names();
/// +1: larger is better, -1: smaller is better, 0: a target value.
int metric_direction(const std::string& metric);
/// The value a metric should have, where that is neither the largest nor the smallest.
std::optional<double> metric_target(const std::string& metric);

/// The energy distance of two samples in the given space; the building block of metrics and tests.
double energy_distance(Queue& queue, MatrixView<const float> x, MatrixView<const float> y);
double rbf_mmd(Queue& queue, MatrixView<const float> x, MatrixView<const float> y);

}  // namespace perturbine

// Models, baselines and seeds on the folds of a split: one table of metrics, with intervals and paired differences.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "evaluation/metrics.h"
#include "io/split.h"
#include "models/mean_model.h"
#include "models/model.h"

namespace perturbine {

struct ResultRow {
  std::string model;
  std::uint64_t seed = 0;
  std::string fold, group, condition, context;
  MetricValue value;
};
struct Interval {
  double mean = 0, low = 0, high = 0;
  std::size_t n = 0;
};
struct SummaryRow {
  std::string model, group, metric;
  Interval interval;
};
struct PairedRow {
  std::string model, group, metric;
  Interval difference;
};

/// What the page draws of one held-out condition: changes of means against control, and cells in the first two
/// principal components.
struct ConditionPicture {
  std::string model, condition, context;
  std::vector<float> real_change, predicted_change;  // [genes]
  std::vector<float> real, generated;                // [cells, 2], at most 150 cells each
  std::vector<float> additive_change;                // [genes], of doubles with both parts seen alone; else empty
  std::vector<std::string> genes;                    // the four that changed most
  std::vector<float> real_values, generated_values;  // of them, [genes, cells], the same cells
  std::vector<float> enrichment;                     // [gene sets, 2]: of the real and the predicted change
};

/// The loss of one training, points (step, loss) one after another.
struct TrainingCurve {
  std::string model;
  std::vector<float> loss, validation;
};

struct BenchmarkResults {
  std::vector<ResultRow> rows;
  std::vector<SummaryRow> summary;
  std::vector<PairedRow> paired;           // against backbone, where it is among the models
  std::vector<ConditionPicture> pictures;  // of up to four conditions, by the backbone and the trained models
  /// By model, over all conditions: how many values of expressed genes have a randomised PIT of at most 1/8, 2/8,
  /// ... 1.
  std::map<std::string, std::vector<double>> pit;
  std::vector<TrainingCurve> training;  // of the first fold and seed
  std::vector<std::string> models, groups;
  std::vector<std::uint64_t> seeds;
  std::size_t cells = 0;  // generated of each condition; 0: as many as a file gave
  double seconds = 0;
  std::string data_path, data_sha256, library_size_source;
  std::string mean_source = "predict_mean";  // what the mean metrics judge
  bool simulated = false;
};

struct BenchmarkOptions {
  std::vector<std::string> models;
  std::vector<std::uint64_t> seeds{1};
  std::size_t cells = 400;
  TrainingOptions training;
  std::shared_ptr<const PerturbationFeatures> features;  // or null
  std::vector<GeneSet> gene_sets;                        // may be empty
  std::map<std::string, double> known_interactions;      // may be empty
  std::string unfinished;      // folder where what is done is kept, for the caller to remove; empty: none
  std::function<bool()> stop;  // asked between models; true: run_benchmark throws Stopped
};
/// A benchmark was asked to stop; what was done is kept.
struct Stopped {};

/// A model may be a variant, "diffusion:target=v" (models/model_variant.h). Among the models may stand `replicate`
/// (half of the held-out cells predicts the other half) and, on simulated data, `true-sampler` (fresh cells of the
/// simulator's truth).
BenchmarkResults run_benchmark(Queue& queue, const Dataset& data, const std::vector<SplitLists>& split,
                               const BenchmarkOptions& options, const std::function<void(const std::string&)>& say);

/// Fills groups, summary and paired from rows.
void summarise(BenchmarkResults& results);

/// The cells of a role as models see them.
TrainingData training_data(const Dataset& data, const Fold& fold, Role role = Role::train);
/// Training cells, and beside them the validation cells where the fold has any.
TrainingData data_for_models(const Dataset& data, const Fold& fold,
                             const std::shared_ptr<const PerturbationFeatures>& features = {});
EvaluationSpace evaluation_space(const Dataset& data);
/// A held-out condition with everything its metrics need; `effects` are those of the fold's training cells.
HeldOut held_out(const Dataset& data, const EffectTable& effects, const Fold::Entry& entry);

/// Mean with a 95 % bootstrap interval over conditions (rows of one condition, whatever seed, stay together); over
/// seeds where there is one condition; NaN where there is one value.
Interval bootstrap(const std::vector<std::pair<std::string, double>>& values_by_condition, std::uint64_t seed);

std::string metrics_json(const BenchmarkResults& results, const std::string& device, int threads);
std::string metrics_csv(const BenchmarkResults& results);
/// A table for the terminal: models by the main metrics, one block per group.
std::string metrics_table(const BenchmarkResults& results);
/// One self-contained page: no script, nothing from outside, every name escaped.
std::string report_html(const BenchmarkResults& results);

}  // namespace perturbine

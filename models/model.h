// One interface for every model and baseline.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/batch.h"
#include "kernels/core/error.h"
#include "kernels/core/queue.h"
#include "models/training_options.h"

namespace perturbine {

/// Generated cells. `expression` is log1p(10,000 count / library size) of `counts` where the model samples counts.
struct GeneratedCells {
  std::size_t count = 0, genes = 0;
  std::vector<float> expression;     // [count, genes]
  std::vector<float> counts;         // [count, genes], or empty for models of log values
  std::vector<double> library_size;  // [count]
};

struct TrainingProgress {
  std::size_t step = 0, steps = 0;
  double loss = 0, rate = 0, seconds = 0, cells_per_second = 0;
  std::optional<double> validation;  // the loss on validation conditions, with the weight average
};
using ProgressCallback = std::function<bool(const TrainingProgress&)>;  // false: stop here

/// Natural logarithms of densities, and the standard error of each where its trace was estimated.
struct LogLikelihood {
  std::vector<double> value, standard_error;
};

struct LikelihoodOptions {
  std::size_t steps = 60;  // of the solver
  std::size_t probes = 0;  // random probes of the trace (Hutchinson); 0: exact
  std::uint64_t seed = 1;
};

/// Cells somebody has: what they would be under another condition is asked.
struct GivenCells {
  std::size_t count = 0;
  std::vector<float> expression;     // [count, genes], log1p(10,000 count / library size)
  std::vector<double> library_size;  // [count]
  std::vector<Condition> condition;  // of each cell
  std::vector<std::int32_t> batch;   // numbers of TrainingData::batches; negative: unknown
};

/// What is stated of a predicted mean's error.
struct MeanStatement {
  std::vector<double> half_width;  // of each gene's 90 % interval, [genes]; empty: nothing can be said
  double error = 0;                // expected norm of observed minus predicted mean
};

class Backbone;

class Model {
 public:
  virtual ~Model() = default;
  virtual std::string name() const = 0;
  virtual void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
                   const ProgressCallback& progress) = 0;
  /// Throws InputError where options have values that are not known, or that the model does not take; looks at no data.
  virtual void check_options(const TrainingOptions& options) const { check_training_options(options); }
  /// A backbone fitted to the same data and options, for models that build on one: they need not fit it again.
  virtual void use_backbone(const std::shared_ptr<const Backbone>&) {}
  /// Mean of log1p expression of a condition, in one context.
  virtual std::vector<double> predict_mean(Queue& queue, const Query& query) const = 0;
  /// How far the observed mean of `cells` cells may lie from the predicted one; 0 cells: the true mean.
  virtual MeanStatement state_mean(const Query&, std::size_t) const { return {}; }
  /// False where the model gives means only.
  virtual bool samples() const { return true; }
  /// `count` cells; the same seed gives the same cells.
  virtual GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const = 0;
  /// What given cells, all of the query's context, would be under the query: one cell for each. Throws InputError where
  /// a model does not start from cells.
  virtual GeneratedCells counterfactual(Queue&, const Query&, const GivenCells&, std::uint64_t) const {
    throw InputError(text("model ", name(), ": makes no counterfactuals of given cells; train --model causal-vae"));
  }
  /// Cells of a time course followed over rising times: row i is the same cell in each. Throws InputError where a model
  /// does not follow cells.
  virtual std::vector<GeneratedCells> trajectory(Queue&, std::size_t, const std::vector<double>&, std::size_t,
                                                 std::uint64_t) const {
    throw InputError(text("model ", name(), ": does not follow cells over several times; train --model flow"));
  }
  /// Whether log_likelihood() answers a query.
  virtual bool has_likelihood(const Query&) const { return false; }
  /// Natural logarithm of the density of cells [rows, genes] (log1p expression) under a condition; in which space the
  /// density is, models say. Throws Error where a model has none.
  virtual LogLikelihood log_likelihood(Queue&, const Query&, const std::vector<float>&,
                                       const LikelihoodOptions&) const {
    throw Error(text("model ", name(), ": has no likelihood"));
  }
  /// Lines for the log: what was chosen and why.
  virtual std::vector<std::string> report() const { return {}; }
};

/// Every name make_model knows, in the order of tables.
const std::vector<std::string>& model_names();
/// Whether a name is that of a model with a network, which training takes steps for, or of a variant of one
/// (models/model_variant.h).
bool is_trainable(const std::string& name);
/// Whether it is the backbone, trainable, or a variant of either.
bool builds_on_backbone(const std::string& name);
/// Throws InputError with near spellings for an unknown name.
std::unique_ptr<Model> make_model(const std::string& name);

}  // namespace perturbine

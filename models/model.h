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
#include "models/schedule.h"

namespace perturbine {

/// Generated cells. `expression` is log1p(10,000 count / library size) of `counts` where the model samples counts.
struct GeneratedCells {
  std::size_t count = 0, genes = 0;
  std::vector<float> expression;     // [count, genes]
  std::vector<float> counts;         // [count, genes], or empty for models of log values
  std::vector<double> library_size;  // [count]
};

struct TrainingOptions {
  std::size_t steps = 1000, batch_size = 256, hidden = 256, blocks = 3, latent = 50;
  float rate = 1e-3f, decay = 1e-2f, penalty = 1e-2f, dropout = 0, average_decay = .995f;
  float drop_perturbation = .1f, drop_context = .1f;
  std::string target = "x0", schedule = "cosine", sampler = "ddim";
  std::string space = "latent", network = "residual";  // or genes, u-shaped
  std::string control_summary = "attention";           // of control cells, where there are several contexts; mean, none
  std::size_t sampler_steps = 50;
  double guidance_perturbation = 1, guidance_context = 1;
  /// auto: where there are validation conditions the network also learns how far the closed-form mean misses, and moves
  /// it by the share that is best on them (0: not at all); never: the mean is the closed form's.
  std::string network_mean = "auto";
  /// Share of the count noise taken out of the latent before counts are drawn; empty: chosen on held-out cells.
  std::optional<double> technical_shrinkage;
  std::uint64_t seed = 1;
};

struct TrainingProgress {
  std::size_t step = 0, steps = 0;
  double loss = 0, rate = 0, seconds = 0, cells_per_second = 0;
  std::optional<double> validation;  // the loss on validation conditions, with the weight average
};
using ProgressCallback = std::function<bool(const TrainingProgress&)>;  // false: stop here

struct LikelihoodOptions {
  std::size_t steps = 60;  // of the solver
  std::size_t probes = 0;  // random probes of the trace (Hutchinson); 0: exact
  std::uint64_t seed = 1;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual std::string name() const = 0;
  virtual void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
                   const ProgressCallback& progress) = 0;
  /// Mean of log1p expression of a condition, in one context.
  virtual std::vector<double> predict_mean(Queue& queue, const Query& query) const = 0;
  /// False where the model gives means only.
  virtual bool samples() const { return true; }
  /// `count` cells; the same seed gives the same cells.
  virtual GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const = 0;
  /// Natural logarithm of the density of cells [rows, genes] (log1p expression) under a condition; in which space the
  /// density is, models say. Throws Error where a model has none.
  virtual std::vector<double> log_likelihood(Queue&, const Query&, const std::vector<float>&,
                                             const LikelihoodOptions&) const {
    throw Error(text("model ", name(), ": has no likelihood"));
  }
  /// Lines for the log: what was chosen and why.
  virtual std::vector<std::string> report() const { return {}; }
};

/// Every name make_model knows, in the order of tables.
const std::vector<std::string>& model_names();
/// Throws InputError with near spellings for an unknown name.
std::unique_ptr<Model> make_model(const std::string& name);

}  // namespace perturbine

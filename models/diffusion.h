// Conditional diffusion of p(cell | control cells, perturbation, context): a VP-SDE on residuals about the backbone's
// mean, in the latent space or over genes. With its network at zero it samples what the backbone samples. Training
// stands in diffusion_training.cpp, sampling and likelihood in diffusion_sampling.cpp.
#pragma once
#include <memory>

#include "models/backbone.h"
#include "models/condition_batch.h"
#include "models/score_network.h"

namespace perturbine {

/// x0, v, epsilon or score; throws InputError.
Target target_named(const std::string& name);

class Diffusion : public Model {
 public:
  std::string name() const override { return "diffusion"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  std::vector<double> predict_mean(const Query& query) const override { return backbone_.predict_mean(query); }
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  std::vector<std::string> report() const override { return backbone_.report(); }

  /// Residuals [count, width] of a query by any sampler.
  std::vector<float> sample_latent(Queue& queue, const Query& query, std::size_t count, SamplerKind sampler,
                                   std::size_t steps, std::uint64_t seed) const;
  /// Density of the cells' coordinates in the model's space about the predicted mean, by the probability-flow ODE of
  /// the network without guidance: with `probes` = 0 by the exact trace (width passes a cell), else by that many random
  /// ones.
  std::vector<double> log_likelihood(Queue& queue, const Query& query, const std::vector<float>& expression,
                                     const LikelihoodOptions& options) const override;
  /// Cells of conditions that do not train; their loss is reported beside the training loss.
  void set_validation(const TrainingData& data);

  Parameters& parameters() { return *parameters_; }
  const Backbone& backbone() const { return backbone_; }
  std::size_t peak_memory() const { return peak_memory_; }

  /// For checkpoints: everything of training that is not in the data. `step` counts finished steps.
  struct State {
    std::size_t step = 0;
    std::vector<float> value, first_moment, second_moment, average;
  };
  /// Makes the network for the data without training it; fit() continues from `state` if one is set.
  void prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options);
  void set_state(Queue& queue, const State& state);
  /// Trains from the current state to the end.
  void resume(Queue& queue, const ProgressCallback& progress) { train(queue, progress); }
  State state(Queue& queue) const;

 private:
  void train(Queue& queue, const ProgressCallback& progress);
  /// Mean over rows of the loss on validation cells, every noise level equally often; the same draws at each call.
  double validation_loss(Queue& queue) const;
  /// The modulation of `times` under a query, one row each, with perturbation and context or without.
  Buffer<float> modulations(Queue& queue, Tape& tape, const Query& query, const std::vector<float>& times,
                            bool perturbed, bool in_context) const;

  Backbone backbone_;
  TrainingOptions options_;
  ConditionVocabulary vocabulary_;
  TrainingData validation_;
  std::vector<float> validation_residuals_;  // [validation cells, width], scaled, about the predicted means
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<ScoreNetwork> network_;
  double scale_ = 1;             // one factor that brings the latent to unit variance
  std::vector<float> variance_;  // [width], of the scaled residuals
  std::size_t step_ = 0, peak_memory_ = 0;
};

}  // namespace perturbine

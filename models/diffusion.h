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
  std::vector<double> predict_mean(Queue& queue, const Query& query) const override;
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  std::vector<std::string> report() const override;

  /// Residuals [count, width] of a query by any sampler.
  std::vector<float> sample_latent(Queue& queue, const Query& query, std::size_t count, SamplerKind sampler,
                                   std::size_t steps, std::uint64_t seed) const;
  /// Density of the cells' coordinates in the model's space about the backbone's mean, by the probability-flow ODE of
  /// the network without guidance: with `probes` = 0 by the exact trace (width passes a cell), else by that many random
  /// ones.
  std::vector<double> log_likelihood(Queue& queue, const Query& query, const std::vector<float>& expression,
                                     const LikelihoodOptions& options) const override;

  Parameters& parameters() { return *parameters_; }
  const Backbone& backbone() const { return backbone_; }
  std::size_t peak_memory() const { return peak_memory_; }

  /// For checkpoints: everything of training that is not in the data. `step` counts finished steps.
  struct State {
    std::size_t step = 0;
    std::vector<float> value, first_moment, second_moment, average;
    double mean_share = 0;
  };
  /// Makes the network for the data without training it; fit() continues from `state` if one is set.
  void prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options);
  void set_state(Queue& queue, const State& state);
  /// Trains from the current state to the end.
  void resume(Queue& queue, const ProgressCallback& progress) { train(queue, progress); }
  State state(Queue& queue) const;

 private:
  void train(Queue& queue, const ProgressCallback& progress);
  /// E[residual | query] by the network, as a change of genes: x0 at the last time, where x_t says nothing.
  std::vector<double> shift(Queue& queue, const Query& query) const;
  void choose_mean_share(Queue& queue);
  /// Scaled coordinates of cells about mean(query) of their condition and context.
  template <class Mean>
  std::vector<float> about_means(const TrainingData& data, Mean&& mean) const;
  /// Mean over rows of the loss on validation cells, every noise level equally often; the same draws at each call.
  double validation_loss(Queue& queue) const;
  /// The modulation of `times` under a query, one row each, with perturbation and context or without.
  Buffer<float> modulations(Queue& queue, Tape& tape, const Query& query, const std::vector<float>& times,
                            bool perturbed, bool in_context) const;

  Backbone backbone_;
  TrainingOptions options_;
  ConditionVocabulary vocabulary_;
  std::vector<float> residuals_;             // [cells, width], scaled: what the network learns
  std::vector<float> validation_residuals_;  // [validation cells, width], scaled, about the predicted means
  // With moves_mean_ residuals are about left-out means, so that their own mean is what the closed form misses.
  bool moves_mean_ = false;
  double mean_share_ = 0;  // of the network's shift that predictions take, chosen on validation conditions
  std::string mean_report_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<ScoreNetwork> network_;
  double scale_ = 1;             // one factor that brings the latent to unit variance
  std::vector<float> variance_;  // [width], of the scaled residuals
  std::size_t step_ = 0, peak_memory_ = 0;
};

}  // namespace perturbine

// Conditional diffusion of p(cell | perturbation, context): a VP-SDE on latent residuals about the backbone's mean.
// With its network at zero it samples what the backbone samples.
#pragma once
#include <map>
#include <memory>

#include "models/backbone.h"
#include "models/score_network.h"

namespace perturbine {

class Diffusion : public Model {
 public:
  std::string name() const override { return "diffusion"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  std::vector<double> predict_mean(const Query& query) const override { return backbone_.predict_mean(query); }
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  std::vector<std::string> report() const override { return backbone_.report(); }

  /// Latent residuals [count, latent] of a query by any sampler.
  std::vector<float> sample_latent(Queue& queue, const Query& query, std::size_t count, SamplerKind sampler,
                                   std::size_t steps, std::uint64_t seed) const;

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

  Backbone backbone_;
  TrainingOptions options_;
  std::map<std::string, std::int32_t> perturbation_number_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<ScoreNetwork> network_;
  double scale_ = 1;             // one factor that brings the latent to unit variance
  std::vector<float> variance_;  // [latent], of the scaled residuals
  std::size_t step_ = 0, peak_memory_ = 0;
};

}  // namespace perturbine

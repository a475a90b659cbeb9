// Conditional diffusion of p(cell | control cells, perturbation, context): a VP-SDE on residuals about the backbone's
// mean, in the latent space or over genes. With its network at zero it samples what the backbone samples. Training
// stands in diffusion_training.cpp, sampling and likelihood in diffusion_sampling.cpp.
#pragma once
#include "models/network_model.h"
#include "models/response_axis.h"
#include "models/schedule.h"

namespace perturbine {

/// x0, v, epsilon or score; throws InputError.
Target target_named(const std::string& name);

class Diffusion : public NetworkModel {
 public:
  std::string name() const override { return "diffusion"; }
  std::vector<double> predict_mean(Queue& queue, const Query& query) const override;
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  /// Nothing, where the mean comes from the network alone.
  MeanStatement state_mean(const Query& query, std::size_t cells) const override {
    return about_controls() ? MeanStatement{} : NetworkModel::state_mean(query, cells);
  }
  std::vector<std::string> report() const override;

  /// Residuals [count, width] of a query by any sampler, in no frame.
  std::vector<float> sample_latent(Queue& queue, const Query& query, std::size_t count, SamplerKind sampler,
                                   std::size_t steps, std::uint64_t seed) const;
  /// Density of the cells' coordinates in the model's space about the backbone's mean, by the probability-flow ODE of
  /// the network without guidance: with `probes` = 0 by the exact trace (width passes a cell), else by that many random
  /// ones.
  LogLikelihood log_likelihood(Queue& queue, const Query& query, const std::vector<float>& expression,
                               const LikelihoodOptions& options) const override;
  bool has_likelihood(const Query&) const override { return true; }

  void resume(Queue& queue, const ProgressCallback& progress) override;
  void set_state(Queue& queue, const State& state) override;
  State state(Queue& queue) const override;

 protected:
  void prepare_targets(Queue& queue) override;
  /// Coordinates and how far the cell responds.
  std::size_t network_width() const override { return width() + 1; }
  float length_of(const Query& query) const override { return axis(query).length(); }
  /// Scaled coordinates of cells about mean(query) of their condition and context, [cells, width], each in the frame of
  /// its context.
  template <class Mean>
  std::vector<float> about_means(const TrainingData& data, Mean&& mean) const;
  /// Genes that a change [width] of scaled coordinates makes, given in the frame of a context.
  std::vector<double> genes_of(std::vector<float> scaled, std::size_t context) const;
  /// The axis of a query's mean change; none of controls, and none where the network is to know nothing of the mean.
  ResponseAxis axis(const Query& query) const;
  /// A step of the diffusion's training, with the device memory it needs.
  StepParts diffusion_step(Queue& queue) const;
  /// E[residual | query] by the network, as a change of genes: x0 at the last time, where x_t says nothing.
  virtual std::vector<double> shift(Queue& queue, const Query& query) const;

  /// Of the shift that predictions of unseen conditions take, chosen at the end of training; below 0: not yet.
  double mean_share_ = 0;

 private:
  /// What residuals are about: the backbone's mean, or that of the control cells (--mean-centre).
  std::vector<double> centre(const Query& query) const {
    return about_controls() ? backbone_->mean({{}, query.context}) : backbone_->mean(query);
  }
  bool about_controls() const { return options_.mean_centre == "control"; }
  void choose_mean_share(Queue& queue);
  /// Mean over rows of the loss on validation cells, every noise level equally often; the same draws at each call.
  double validation_loss(Queue& queue) const;

  /// Density of extended coordinates [cells, network_width].
  LogLikelihood extended_log_likelihood(Queue& queue, const Query& query, const std::vector<float>& extended,
                                        const LikelihoodOptions& options) const;
  /// Of every condition and context with cells in `data`.
  std::map<std::pair<std::int32_t, std::int32_t>, ResponseAxis> axes(const TrainingData& data) const;

  std::vector<float> extended_variance_;  // [network_width]
  /// [network_width], mean 1: a coordinate counts in the loss by its variance that is not counting noise, the response
  /// as a third of all others. Else the many coordinates that are Gaussian noise drown what there is to learn.
  std::vector<float> column_weight_;
  std::map<std::pair<std::int32_t, std::int32_t>, ResponseAxis> axes_, validation_axes_;
  std::vector<float> residuals_;             // [cells, width], scaled, in frames: what the network learns
  std::vector<float> validation_residuals_;  // [validation cells, width], the same about the predicted means
  // With moves_mean_ residuals are about left-out means, so that their own mean is what the closed form misses.
  bool moves_mean_ = false;
  std::string mean_report_;
};

template <class Mean>
std::vector<float> Diffusion::about_means(const TrainingData& data, Mean&& mean) const {
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> number;
  std::vector<std::size_t> group(data.cells());
  std::vector<std::vector<double>> means;
  for (std::size_t i = 0; i < data.cells(); ++i) {
    group[i] = number.try_emplace({data.condition[i], data.context[i]}, means.size()).first->second;
    if (group[i] == means.size())
      means.push_back(mean(Query{data.conditions[static_cast<std::size_t>(data.condition[i])],
                                 static_cast<std::size_t>(data.context[i])}));
  }
  std::vector<float> x = backbone_->space().coordinates_about(data.expression, group, means);
  backbone_->frames().enter_each(data.context, x);
  for (float& v : x) v *= static_cast<float>(scale_);
  return x;
}

}  // namespace perturbine

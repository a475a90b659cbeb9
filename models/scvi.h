// scVI (Lopez et al., Nature Methods 15:1053, 2018) with perturbations as the covariates of its decoder, a published
// system held to the defaults of its package.
#pragma once
#include "models/count_model.h"

namespace perturbine {

/// The package's defaults. Tests shorten them; the program never does.
struct ScViRecipe {
  std::size_t hidden = 128, latent = 10, batch = 128, warm_up = 400;
  std::size_t epochs = 0;  // 0: 400, or 8 million cells in all where that is fewer
  float dropout = .1f;
};

/// Encoder of log1p(counts): a layer (linear, batch norm, ReLU, dropout), then mean and log variance of q(z | x).
/// Decoder of z and the covariates: a layer without dropout, softmax shares of genes times the cell's counts, zero
/// inflation logits; one dispersion a gene. Loss: negative log-likelihood (zero-inflated negative binomial) + KL(q ||
/// N(0, 1)), the latter's weight rising from 0 to 1 over 400 epochs. Adam with L2 penalty. The package's covariates are
/// categories; here every perturbation has a column that holds its dose, so that combinations are decoded too. A
/// prediction decodes control cells of the context with the covariates of the query; a perturbation that was not seen
/// does nothing.
class ScVi final : public CountModel {
 public:
  explicit ScVi(const ScViRecipe& recipe = {}) : recipe_(recipe) {}
  std::string name() const override { return "scvi"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;

 private:
  struct Batch;
  void declare();
  VectorView<float> loss(Tape& tape, const Batch& batch) const;
  /// The covariates of a condition.
  std::vector<float> covariates(const Condition& condition) const;
  Decoded decode(Tape& tape, Var log_counts, VectorView<const float> total, const Query& query,
                 VectorView<const std::uint64_t> offset, std::uint64_t seed) const override;

  ScViRecipe recipe_;
  Layer encoder_, decoder_;
  Parameter mean_w_, mean_b_, variance_w_, variance_b_, share_w_, share_b_, zero_w_, zero_b_, log_dispersion_;
};

}  // namespace perturbine

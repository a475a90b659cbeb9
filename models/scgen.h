// scGen (Lotfollahi, Wolf & Theis, Nature Methods 16:715, 2019), a published system held to its published recipe: an
// autoencoder of log values, and perturbations as shifts of its latent space.
#pragma once
#include "models/published_model.h"

namespace perturbine {

/// The recipe of the published package and its tutorial. Tests shorten it; the program never does.
struct ScGenRecipe {
  std::size_t hidden = 800, latent = 100, batch = 32, epochs = 100, patience = 25;
  float dropout = .2f, divergence_weight = 5e-5f;
};

/// Encoder: two layers (linear, batch norm with momentum .01 and epsilon .001, leaky ReLU, dropout), then mean and log
/// variance of q(z | x); decoder: two such layers and a linear one. Loss of a cell: half the sum of squared errors over
/// genes + half of 5e-5 KL(q(z | x) || N(0, 1)). Adam with L2 penalty; training stops where the loss on a tenth of the
/// training cells has not fallen for 25 epochs.
/// Prediction: latent means of the context's control cells, plus the mean over contexts of the perturbed cells' latent
/// means minus that of control cells', decoded. What the paper does not define is done as is usual: a combination that
/// was not seen is the sum of its parts, a dose scales the shift, a part that was not seen does nothing.
class ScGen final : public PublishedModel {
 public:
  explicit ScGen(const ScGenRecipe& recipe = {}) : recipe_(recipe) {}
  std::string name() const override { return "scgen"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  /// The mean of all control cells of the context, decoded under the query.
  std::vector<double> predict_mean(Queue& queue, const Query& query) const override;
  /// Control cells of the context, at most each once, under the query; log values, clipped at zero.
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;

 private:
  struct Encoded {
    Var mean, log_variance;
  };
  void declare();
  Encoded encode(Tape& tape, Var x, const Noise* noise) const;
  Var decode(Tape& tape, Var z, const Noise* noise) const;
  /// Of a training step: the weighted sum of rows' squared errors (mean over genes) and divergences. Returns the rows'
  /// errors.
  VectorView<float> loss(Tape& tape, MatrixView<const float> x, VectorView<const float> error_weight,
                         VectorView<const float> divergence_weight, MatrixView<const float> zeros,
                         VectorView<const std::uint64_t> offset) const;
  /// Of a cell, without dropout and by the running statistics.
  double validation_loss(Queue& queue, const std::vector<std::size_t>& cells) const;
  /// Latent means of all training cells, [cells, latent].
  std::vector<float> encode_cells(Queue& queue) const;
  /// [rows, genes]
  std::vector<float> decode_rows(Queue& queue, const std::vector<float>& latent) const;
  std::vector<double> shift(const Condition& condition) const;
  std::vector<float> moved(const std::vector<std::size_t>& cells, const Condition& condition) const;

  ScGenRecipe recipe_;
  Layer encoder_[2], decoder_[2];
  Parameter mean_w_, mean_b_, variance_w_, variance_b_, out_w_, out_b_;
  std::vector<float> latent_;  // [cells, latent]
};

}  // namespace perturbine

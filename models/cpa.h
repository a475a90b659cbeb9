// CPA, the compositional perturbation autoencoder (Lotfollahi et al., Mol Syst Biol 19:e11517, 2023), a published
// system held to the defaults of its package.
#pragma once
#include "models/count_model.h"
#include "models/latent_adversary.h"
#include "models/perturbation_operators.h"

namespace perturbine {

/// The package's defaults. Tests shorten them; the program never does.
struct CpaRecipe {
  std::size_t hidden = 256, layers = 3, latent = 128, batch = 128;
  std::size_t adversary_hidden = 64, adversary_layers = 3, adversary_turns = 2;
  std::size_t epochs = 0;  // 0: 400, or 8 million cells in all where that is fewer
  float adversary_weight = 1, penalty = 1;
};

/// Encoder of log1p(counts): layers (linear, batch norm, ReLU) and a linear one give the basal state. To it are added
/// an embedding of each perturbation times its dose response S(beta log(1 + dose) + b) - S(b), one of "control" where
/// there is none, and one of the context. Decoder: layers, softmax shares of genes times the cell's counts; one
/// dispersion a gene. Loss: negative log-likelihood (negative binomial) less the cross-entropies of classifiers of
/// condition (weighted by n / n_c - 1, as the package does) and context on the basal state, which take two steps after
/// each of the autoencoder's. All epochs are trained; the package may stop earlier, by a score of a tenth of the
/// cells, which on two thousand cells stopped at half the epochs with a fit half as good. A prediction decodes control
/// cells of the context. Their expected counts, which the package predicts, or counts drawn from the decoder's
/// distribution: what gives the control cells' own mean of log1p expression back more nearly. Expectations lie above
/// means of logarithms where counts are few, drawn counts below where dispersions have not been learned. A perturbation
/// that was not seen does nothing.
class Cpa final : public CountModel {
 public:
  explicit Cpa(const CpaRecipe& recipe = {}) : recipe_(recipe) {}
  std::string name() const override { return "cpa"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  /// Basal states of training cells, [cells, latent], by the running statistics.
  std::vector<float> basal_states(Queue& queue, const std::vector<std::size_t>& cells) const;

 private:
  struct Batch;
  void declare();
  void initialise(Queue& queue);
  Var encode(Tape& tape, Var log_counts, const Noise* noise) const;
  /// The basal state with perturbations and context.
  Var composed(Tape& tape, Var basal, const OperatorBatch& perturbations, const OperatorBatch& contexts) const;
  /// Expected counts [rows, genes].
  Var rates(Tape& tape, Var z, VectorView<const float> total, const Noise* noise) const;
  VectorView<float> loss(Tape& tape, const Batch& batch, LatentAdversary& adversary) const;
  bool draws() const override { return draws_; }
  void choose_cells(Queue& queue);
  Decoded decode(Tape& tape, Var log_counts, VectorView<const float> total, const Query& query,
                 VectorView<const std::uint64_t> offset, std::uint64_t seed) const override;
  HostOperators operators_of(const std::vector<const Condition*>& conditions) const;
  HostOperators contexts_of(const std::vector<std::size_t>& contexts) const;
  /// Weights of a batch's cells in the loss of the classifier of conditions; they sum to one.
  std::vector<float> condition_weights(const std::vector<std::int32_t>& conditions) const;
  const Condition& condition_of(std::size_t cell) const {
    return data_.conditions[static_cast<std::size_t>(data_.condition[cell])];
  }

  CpaRecipe recipe_;
  bool draws_ = false;
  std::size_t slots_ = 1;                 // most parts of a training condition
  std::vector<double> condition_weight_;  // of each condition
  std::vector<Layer> encoder_, decoder_;
  Parameter basal_w_, basal_b_, share_w_, share_b_, log_dispersion_, perturbation_, dose_, context_;
};

}  // namespace perturbine

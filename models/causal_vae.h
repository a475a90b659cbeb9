// Causal VAE with perturbation operators. A cell is identity, state and technical latents; a perturbation moves the
// state by its operator: z_perturbed = z_control + sum of Delta_p. A gene-level operator on log-rates holds what the
// backbone knows and the latent operators do not say, so that the model starts at the backbone.
#pragma once
#include <memory>

#include "models/cell_autoencoder.h"
#include "models/decoded_genes.h"
#include "models/effects.h"
#include "models/network_model.h"
#include "models/perturbation_operators.h"

namespace perturbine {

/// Cells as latent variables, [cells, width] each.
struct LatentCells {
  std::size_t cells = 0;
  std::vector<float> state, identity, technical;
};
/// What a perturbation does: its operator in the state space, with standard errors.
struct LatentEffect {
  std::string perturbation;
  std::vector<double> delta, standard_error;  // [state]
};

class CausalVae : public NetworkModel {
 public:
  std::string name() const override { return "causal-vae"; }
  void check_options(const TrainingOptions& options) const override;
  std::vector<std::string> report() const override;
  std::vector<double> predict_mean(Queue& queue, const Query& query) const override;
  /// Control cells of the context, encoded, moved by the query's operators and decoded.
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  GeneratedCells counterfactual(Queue& queue, const Query& query, const GivenCells& cells,
                                std::uint64_t seed) const override;

  /// Posterior means of cells (expression [cells, genes]) of known contexts and batches.
  LatentCells encode(Queue& queue, const std::vector<float>& expression, const std::vector<std::int32_t>& contexts,
                     const std::vector<std::int32_t>& batches) const;
  /// As the latents tell: identity the context, technical the batch, the state whether a cell is perturbed.
  CellLabels labels(Queue& queue, const std::vector<float>& expression) const override;
  /// What a condition adds to the state: trained operators alone, [state].
  std::vector<float> operator_shift(Queue& queue, const Condition& condition) const;
  /// The operator of every trained perturbation, at dose 1.
  std::vector<LatentEffect> latent_effects(Queue& queue) const;

  void resume(Queue& queue, const ProgressCallback& progress) override;
  void set_state(Queue& queue, const State& state) override;
  State state(Queue& queue) const override;

 protected:
  void declare(Parameters& parameters) override;
  void prepare_targets(Queue& queue) override;
  void initialise(Queue& queue, Parameters& parameters) const override;

 private:
  struct Batch;
  bool counts_decoder() const { return options_.likelihood.ends_with("negative-binomial"); }
  bool zero_logits() const { return options_.likelihood.starts_with("zero-inflated"); }

  /// Cells of one condition in one context.
  struct Pair {
    Query query;
    std::vector<std::size_t> cells;
  };
  void find_pairs();
  /// Centres of contexts and batches, and every training cell's start.
  void centre_cells();
  /// Where the mean of q(state) starts: the position about the controls of the cell's context and batch, without the
  /// share that counting noise has.
  void start_of(const float* position, std::size_t context, std::size_t batch, float* start) const;
  /// The training cells' numbers as the decoder's likelihood takes them, in compressed rows.
  void compress_cells();
  void start_decoder();
  void start_operators();
  /// The backbone's change against control as logits have it, [genes].
  std::vector<double> gene_change(const Query& query) const;
  /// The parts of a condition that have an operator.
  Condition known_parts(const Condition& condition) const;
  /// The latent change the backbone sees for parts without an operator, [state].
  std::vector<double> unknown_shift(const Query& query) const;
  /// The latent shift of a query as training starts, [state].
  std::vector<double> started_shift(const Query& query) const;
  /// The same with trained operators.
  std::vector<float> latent_shift(Queue& queue, const Query& query) const;
  /// What is added to the logits of a query's cells, [genes]: the context, and the gene-level operator, which is the
  /// backbone's change less what the latent operators said of it at the start.
  std::vector<float> gene_offset(const Query& query) const;

  StepParts training_step(Queue& queue) const;
  /// Latents of cells with given positions and starts; drawn from q(z | x), or its means.
  LatentCells encode_positions(Queue& queue, const std::vector<float>& positions, const std::vector<float>& starts,
                               bool draw, std::uint64_t seed) const;
  struct HostDecoded {
    std::vector<float> logits, zero;  // [cells, genes]; zero may be empty
  };
  /// `shift` [state] is added to every state, `offset` [genes] and each cell's batch to its logits.
  HostDecoded decode(Queue& queue, const LatentCells& cells, const std::vector<float>& shift,
                     const std::vector<float>& offset, const std::vector<std::size_t>& batches) const;
  /// Cells around decoded parameters, calibrated so that the first `population` have the mean; rows from `first` on.
  GeneratedCells draw_cells(Queue& queue, const HostDecoded& decoded, const std::vector<double>& mean,
                            const std::vector<double>& library_size, std::size_t population, std::size_t first,
                            std::uint64_t seed) const;
  /// The cells a query starts from: controls of its context, or all of its cells moved back where controls are few.
  struct Population {
    LatentCells latents;
    std::vector<std::size_t> cells, batches;
  };
  Population population(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const;
  /// What the network alone says: the decoded population's mean under the query.
  std::vector<double> own_mean(Queue& queue, const Query& query) const;
  void choose_mean_share(Queue& queue);

  AutoencoderSizes sizes_;
  std::unique_ptr<CellAutoencoder> autoencoder_;
  std::unique_ptr<PerturbationOperators> operators_;
  std::vector<Pair> pairs_;
  std::vector<std::size_t> pair_of_cell_;
  std::vector<double> mean_of_all_;                                // [genes]
  std::vector<float> positions_, starts_;                          // [cells, width]
  std::vector<std::vector<float>> context_centre_, batch_centre_;  // [width] each
  std::vector<double> kept_;  // [width]: share of a coordinate that is not counting noise
  CompressedCells compressed_;
  // Where the decoder starts: bias, theta or deviation and zero logits of each gene, offsets of contexts and batches.
  std::vector<double> bias_, gene_parameter_, zero_bias_;
  std::vector<std::vector<float>> context_offset_, batch_offset_;  // [genes] each
  HostMatrix loadings_;                                            // [genes, state]
  HostMatrix delta_;                                               // [perturbations, state]: the operators at the start
  double mean_share_ = 0;
  std::string share_report_;
};

}  // namespace perturbine

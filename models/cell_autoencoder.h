// The network of the causal VAE: cells to latent variables and back.
#pragma once
#include "engine/ops/ops.h"

namespace perturbine {

struct AutoencoderSizes {
  std::size_t positions = 50, state = 50, identity = 8, technical = 8, hidden = 256, genes = 0;
  std::size_t contexts = 1, batches = 1;
  float gene_rate = 1;       // factor on the learning rate of what the decoder has for every gene
  bool zero_logits = false;  // a second output, of zero inflation
  std::size_t latents() const { return state + identity + technical; }
  std::size_t decoder_hidden() const { return std::max<std::size_t>(8, hidden / 2); }
};

/// Mean and logarithm of the variance of q(z | x), of one group of latents.
struct LatentGroup {
  Var mean, log_variance;
};
struct EncodedCells {
  LatentGroup state, identity, technical;
};
struct DecodedCells {
  Var logits;  // [rows, genes]
  Var zero;    // with zero_logits
  Var gene_parameter;
};
/// Guesses of labels: identity says the context, technical the batch, state whether the cell is perturbed.
struct LabelLogits {
  Var context, batch, perturbed;
};

/// Encoder: state has mean start + M(start) and identity and technical come from the cell's position, each by one
/// hidden layer. Decoder: logits = W [state, identity, technical, h] + b + offset, h one hidden layer over the latents.
/// M and h's part of W start at zero; the linear part is set in closed form by the model.
class CellAutoencoder {
 public:
  CellAutoencoder(Parameters& parameters, const AutoencoderSizes& sizes);

  /// positions [rows, positions] of the cells; start [rows, state]: the closed-form guess of their state.
  EncodedCells encode(Tape& tape, Var positions, Var start) const;
  /// `offset` [rows, genes] is a constant. With `some`, all is of the chosen genes alone.
  DecodedCells decode(Tape& tape, Var state, Var identity, Var technical, Var offset,
                      const ops::Choice* some = nullptr) const;
  LabelLogits labels(Tape& tape, Var state, Var identity, Var technical) const;
  /// What an adversary makes of the state: context and batch.
  LabelLogits adversary(Tape& tape, Var state) const;

  const AutoencoderSizes& sizes() const { return sizes_; }
  // What the model sets in closed form.
  Parameter decoder_weight, decoder_bias, zero_bias, state_bias;  // of state: means, then log variances
  // Priors: log variances [1, width] of each group, means of identity by context and of technical by batch.
  Parameter state_prior, identity_prior, technical_prior, identity_table, technical_table;
  Parameter gene_parameter;  // [1, genes]: log theta, or log standard deviation

 private:
  AutoencoderSizes sizes_;
  Parameter state_w1_, state_b1_, state_w2_, other_w1_, other_b1_, other_w2_, other_b2_, hidden_w_, hidden_b_, zero_w_,
      context_w_, context_b_, batch_w_, batch_b_, perturbed_w_, perturbed_b_, adversary_w1_, adversary_b1_,
      adversary_context_w_, adversary_context_b_, adversary_batch_w_, adversary_batch_b_;
};

}  // namespace perturbine

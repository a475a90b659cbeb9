// The conditional residual score network: adaptive-norm blocks over a latent, conditioned on time, the set of
// perturbations and the context.
#pragma once
#include "engine/ops/ops.h"
#include "models/model.h"

namespace perturbine {

struct ScoreNetworkSizes {
  std::size_t width = 50;  // of the latent or the genes
  std::size_t hidden = 256, blocks = 3, perturbations = 0, contexts = 1, time_features = 64;
};

/// Parameters are declared in `parameters`; forward() may run on any tape over them.
///   condition = silu(MLP(time features) + sum over the set of embeddings + context embedding)
///   block:  h += linear(silu(linear(layer_norm(h) * (1 + scale) + shift)))   (Peebles and Xie, arXiv:2212.09748)
///   all blocks' scales and shifts come from one product; the last linear starts at zero, so that F = 0 at first.
class ScoreNetwork {
 public:
  ScoreNetwork(Parameters& parameters, const ScoreNetworkSizes& sizes, float embedding_penalty);

  struct Condition {
    VectorView<const float> time;  // [rows], in [0, 1]
    ops::Sets perturbations;       // of the rows
    ops::Sets contexts;            // one member a row, or none where the context is dropped
  };
  /// Scales and shifts of all blocks, [rows, 2 blocks hidden].
  Var modulation(Tape& tape, const Condition& condition) const;
  /// `modulation` has a row for every row of x, or one for all (forward only).
  Var forward(Tape& tape, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
              std::uint64_t seed) const;

 private:
  struct Block {
    Parameter w1, b1, w2, b2;
  };
  ScoreNetworkSizes sizes_;
  Parameter frequency_, time_w1_, time_b1_, time_w2_, time_b2_, perturbation_, context_, in_w_, in_b_, film_w_, film_b_,
      gain_, bias_, out_w_, out_b_;
  std::vector<Block> blocks_;
};

}  // namespace perturbine

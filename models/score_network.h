// Score networks, conditioned on time, perturbations, context and control cells: one of residual blocks of one width,
// and a U-shaped one that narrows and widens again, for gene space.
#pragma once
#include <memory>

#include "models/condition_encoder.h"

namespace perturbine {

struct ScoreNetworkSizes {
  std::size_t width = 50;  // of the latent or the genes
  std::size_t hidden = 256, blocks = 3;
};

/// Parameters are declared in `parameters` by the constructors; a network may run on any tape over them. A block is
///   h += linear(silu(linear(layer_norm(h) * (1 + scale) + shift)))   (Peebles and Xie, arXiv:2212.09748)
/// All blocks' scales and shifts come from one product of the encoded condition; the last linear starts at zero, so
/// that F = 0 at first.
class ScoreNetwork {
 public:
  virtual ~ScoreNetwork() = default;
  const ConditionEncoder& encoder() const { return encoder_; }
  /// Scales and shifts of all blocks, [rows, 2 * sum of the blocks' widths].
  Var modulation(Tape& tape, const EncodedCondition& condition) const;
  /// F(x), [rows, width]. `modulation` has a row for every row of x, or one for as many neighbouring rows each.
  virtual Var forward(Tape& tape, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
                      std::uint64_t seed) const = 0;

 protected:
  ScoreNetwork(Parameters& parameters, const ConditionEncoderSizes& sizes, float embedding_penalty)
      : encoder_(parameters, sizes, embedding_penalty) {}
  struct Block {
    Parameter w1, b1, w2, b2;
    std::size_t width, first;  // its scale begins at column `first` of the modulation, its shift follows
  };
  Block add_block(Parameters& parameters, const std::string& name, std::size_t width);
  /// After the last block.
  void add_modulation(Parameters& parameters);
  void add_ends(Parameters& parameters, std::size_t width, std::size_t hidden);
  Var run_block(Tape& tape, const Block& block, Var h, Var modulation, float dropout,
                VectorView<const std::uint64_t> offset, std::uint64_t seed) const;
  Var enter(Tape& tape, Var x) const;
  Var leave(Tape& tape, Var h) const;

 private:
  ConditionEncoder encoder_;
  std::size_t modulation_columns_ = 0;
  Parameter film_w_, film_b_, in_w_, in_b_, gain_, bias_, out_w_, out_b_;
};

class ResidualScoreNetwork final : public ScoreNetwork {
 public:
  ResidualScoreNetwork(Parameters& parameters, const ScoreNetworkSizes& sizes, const ConditionEncoderSizes& condition,
                       float embedding_penalty);
  Var forward(Tape& tape, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
              std::uint64_t seed) const override;

 private:
  std::vector<Block> blocks_;
};

/// `blocks` levels of widths hidden, hidden / 2, hidden / 4, ...: a block and a narrowing linear a level down, a block
/// at the bottom, then a widening linear, the level's own state added (the skip), and a block a level up. Source:
/// Ronneberger et al., arXiv:1505.04597, with linears in place of convolutions.
class UShapedScoreNetwork final : public ScoreNetwork {
 public:
  UShapedScoreNetwork(Parameters& parameters, const ScoreNetworkSizes& sizes, const ConditionEncoderSizes& condition,
                      float embedding_penalty);
  Var forward(Tape& tape, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
              std::uint64_t seed) const override;

 private:
  struct Level {
    Block down, up;
    Parameter narrow_w, narrow_b, widen_w, widen_b;
  };
  std::vector<Level> levels_;  // from the widest
  std::vector<Block> bottom_;  // one
};

}  // namespace perturbine

#include "models/score_network.h"

namespace perturbine {
namespace {
constexpr auto random_weight = Initial::uniform_fan_in;
constexpr ParameterSettings no_decay{1, 0, 0, false};
}  // namespace

ScoreNetwork::Block ScoreNetwork::add_block(Parameters& p, const std::string& name, std::size_t width) {
  const Block b{p.add(name + ".1.weight", width, width, random_weight),
                p.add(name + ".1.bias", 1, width, Initial::zero, no_decay),
                p.add(name + ".2.weight", width, width, random_weight),
                p.add(name + ".2.bias", 1, width, Initial::zero, no_decay),
                width,
                modulation_columns_};
  modulation_columns_ += 2 * width;
  return b;
}

void ScoreNetwork::add_modulation(Parameters& p) {
  film_w_ = p.add("film.weight", modulation_columns_, encoder_.sizes().hidden, random_weight);
  film_b_ = p.add("film.bias", 1, modulation_columns_, Initial::zero, no_decay);
}

void ScoreNetwork::add_ends(Parameters& p, std::size_t width, std::size_t hidden) {
  in_w_ = p.add("in.weight", hidden, width, random_weight);
  in_b_ = p.add("in.bias", 1, hidden, Initial::zero, no_decay);
  gain_ = p.add("norm.gain", 1, hidden, Initial::one, no_decay);
  bias_ = p.add("norm.bias", 1, hidden, Initial::zero, no_decay);
  out_w_ = p.add("out.weight", width, hidden, Initial::zero);
  out_b_ = p.add("out.bias", 1, width, Initial::zero, no_decay);
}

Var ScoreNetwork::modulation(Tape& t, const EncodedCondition& c) const {
  return ops::linear(t, encoder_.encode(t, c), film_w_, film_b_);
}

Var ScoreNetwork::run_block(Tape& t, const Block& b, Var h, Var modulation, float dropout,
                            VectorView<const std::uint64_t> offset, std::uint64_t seed) const {
  const Var scale = t.slice(modulation, b.first, b.width), shift = t.slice(modulation, b.first + b.width, b.width);
  if (dropout == 0 && ops::can_fuse_residual_block(t, b.width))
    return ops::residual_block_inference(t, h, scale, shift, b.w1, b.b1, b.w2, b.b2);
  const Var n = ops::film_layer_norm(t, h, scale, shift, false);
  Var g = ops::linear(t, n, b.w1, b.b1, Activation::silu);
  g = ops::dropout(t, g, dropout, offset, seed, 100 + b.w1.index);
  return ops::linear_residual(t, g, b.w2, b.b2, h);
}

Var ScoreNetwork::enter(Tape& t, Var x) const { return ops::linear(t, x, in_w_, in_b_); }
Var ScoreNetwork::leave(Tape& t, Var h) const {
  return ops::linear(t, ops::layer_norm(t, h, gain_, bias_), out_w_, out_b_);
}

ResidualScoreNetwork::ResidualScoreNetwork(Parameters& p, const ScoreNetworkSizes& s, const ConditionEncoderSizes& c,
                                           float embedding_penalty)
    : ScoreNetwork(p, c, embedding_penalty) {
  for (std::size_t b = 0; b < s.blocks; ++b) blocks_.push_back(add_block(p, "block" + std::to_string(b + 1), s.hidden));
  add_modulation(p);
  add_ends(p, s.width, s.hidden);
}

Var ResidualScoreNetwork::forward(Tape& t, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
                                  std::uint64_t seed) const {
  Var h = enter(t, x);
  for (const Block& b : blocks_) h = run_block(t, b, h, modulation, dropout, offset, seed);
  return leave(t, h);
}

UShapedScoreNetwork::UShapedScoreNetwork(Parameters& p, const ScoreNetworkSizes& s, const ConditionEncoderSizes& c,
                                         float embedding_penalty)
    : ScoreNetwork(p, c, embedding_penalty) {
  std::size_t width = s.hidden;
  for (std::size_t l = 0; l + 1 < s.blocks; ++l) {
    const std::size_t below = std::max<std::size_t>(8, width / 2);
    const std::string n = "level" + std::to_string(l + 1);
    Level level;
    level.down = add_block(p, n + ".down", width);
    level.narrow_w = p.add(n + ".narrow.weight", below, width, random_weight);
    level.narrow_b = p.add(n + ".narrow.bias", 1, below, Initial::zero, no_decay);
    level.widen_w = p.add(n + ".widen.weight", width, below, random_weight);
    level.widen_b = p.add(n + ".widen.bias", 1, width, Initial::zero, no_decay);
    level.up = add_block(p, n + ".up", width);
    levels_.push_back(level);
    width = below;
  }
  bottom_.push_back(add_block(p, "bottom", width));
  add_modulation(p);
  add_ends(p, s.width, s.hidden);
}

Var UShapedScoreNetwork::forward(Tape& t, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
                                 std::uint64_t seed) const {
  Var h = enter(t, x);
  std::vector<Var> skips;
  for (const Level& l : levels_) {
    skips.push_back(run_block(t, l.down, h, modulation, dropout, offset, seed));
    h = ops::linear(t, skips.back(), l.narrow_w, l.narrow_b);
  }
  h = run_block(t, bottom_[0], h, modulation, dropout, offset, seed);
  for (std::size_t l = levels_.size(); l-- > 0;) {
    h = ops::linear_residual(t, h, levels_[l].widen_w, levels_[l].widen_b, skips[l]);
    h = run_block(t, levels_[l].up, h, modulation, dropout, offset, seed);
  }
  return leave(t, h);
}

}  // namespace perturbine

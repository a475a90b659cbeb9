#include "models/score_network.h"

namespace perturbine {

ScoreNetwork::ScoreNetwork(Parameters& p, const ScoreNetworkSizes& s, float embedding_penalty) : sizes_(s) {
  const auto random = Initial::uniform_fan_in;
  const ParameterSettings no_decay{1, 0, 0, false};
  frequency_ = p.add("time.frequency", 1, s.time_features / 2, Initial::zero, {1, 0, 0, true});
  time_w1_ = p.add("time.1.weight", s.hidden, s.time_features, random);
  time_b1_ = p.add("time.1.bias", 1, s.hidden, Initial::zero, no_decay);
  time_w2_ = p.add("time.2.weight", s.hidden, s.hidden, random);
  time_b2_ = p.add("time.2.bias", 1, s.hidden, Initial::zero, no_decay);
  // Zero at first: a perturbation that never trains stays neutral.
  perturbation_ = p.add("perturbation.embedding", std::max<std::size_t>(1, s.perturbations), s.hidden, Initial::zero,
                        {1, 0, embedding_penalty, false});
  context_ = p.add("context.embedding", s.contexts, s.hidden, Initial::zero, {1, 0, embedding_penalty, false});
  in_w_ = p.add("in.weight", s.hidden, s.width, random);
  in_b_ = p.add("in.bias", 1, s.hidden, Initial::zero, no_decay);
  film_w_ = p.add("film.weight", 2 * s.hidden * s.blocks, s.hidden, random);
  film_b_ = p.add("film.bias", 1, 2 * s.hidden * s.blocks, Initial::zero, no_decay);
  for (std::size_t b = 0; b < s.blocks; ++b) {
    const std::string n = "block" + std::to_string(b + 1);
    blocks_.push_back({p.add(n + ".1.weight", s.hidden, s.hidden, random),
                       p.add(n + ".1.bias", 1, s.hidden, Initial::zero, no_decay),
                       p.add(n + ".2.weight", s.hidden, s.hidden, random),
                       p.add(n + ".2.bias", 1, s.hidden, Initial::zero, no_decay)});
  }
  gain_ = p.add("norm.gain", 1, s.hidden, Initial::one, no_decay);
  bias_ = p.add("norm.bias", 1, s.hidden, Initial::zero, no_decay);
  out_w_ = p.add("out.weight", s.width, s.hidden, Initial::zero);
  out_b_ = p.add("out.bias", 1, s.width, Initial::zero, no_decay);
}

Var ScoreNetwork::modulation(Tape& t, const Condition& c) const {
  const std::size_t rows = c.time.size;
  // Fixed frequencies from 1 to 1000 radians per unit of diffusion time, held as a frozen parameter's value.
  const MatrixView<float> f = t.parameters().value(frequency_);
  Var e = ops::time_embedding(t, c.time, VectorView<const float>{f.data, f.columns});
  e = ops::linear(t, e, time_w1_, time_b1_, Activation::silu);
  e = ops::linear(t, e, time_w2_, time_b2_);
  e = ops::add(t, e, ops::set_embedding(t, perturbation_, c.perturbations, rows));
  if (sizes_.contexts > 1) e = ops::add(t, e, ops::set_embedding(t, context_, c.contexts, rows));
  return ops::linear(t, ops::silu(t, e), film_w_, film_b_);
}

Var ScoreNetwork::forward(Tape& t, Var x, Var modulation, float dropout, VectorView<const std::uint64_t> offset,
                          std::uint64_t seed) const {
  const std::size_t H = sizes_.hidden;
  Var h = ops::linear(t, x, in_w_, in_b_);
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const Var n =
        ops::film_layer_norm(t, h, t.slice(modulation, 2 * b * H, H), t.slice(modulation, (2 * b + 1) * H, H), false);
    Var g = ops::linear(t, n, blocks_[b].w1, blocks_[b].b1, Activation::silu);
    g = ops::dropout(t, g, dropout, offset, seed, 100 + b);
    h = ops::linear_residual(t, g, blocks_[b].w2, blocks_[b].b2, h);
  }
  return ops::linear(t, ops::layer_norm(t, h, gain_, bias_), out_w_, out_b_);
}

}  // namespace perturbine

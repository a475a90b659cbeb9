#include "models/cell_autoencoder.h"

namespace perturbine {

CellAutoencoder::CellAutoencoder(Parameters& p, const AutoencoderSizes& s) : sizes_(s) {
  const ParameterSettings bias{1, 0, 0, false};
  auto weight = [&](const char* name, std::size_t rows, std::size_t columns, Initial i = Initial::uniform_fan_in) {
    return p.add(name, rows, columns, i);
  };
  auto row = [&](const char* name, std::size_t columns) { return p.add(name, 1, columns, Initial::zero, bias); };
  const std::size_t H = s.hidden, others = s.identity + s.technical;
  state_w1_ = weight("encoder.state.1.weight", H, s.state), state_b1_ = row("encoder.state.1.bias", H);
  state_w2_ = weight("encoder.state.2.weight", 2 * s.state, H, Initial::zero);
  state_bias = row("encoder.state.2.bias", 2 * s.state);
  other_w1_ = weight("encoder.other.1.weight", H, s.positions), other_b1_ = row("encoder.other.1.bias", H);
  other_w2_ = weight("encoder.other.2.weight", 2 * others, H), other_b2_ = row("encoder.other.2.bias", 2 * others);
  hidden_w_ = weight("decoder.1.weight", s.decoder_hidden(), s.latents());
  hidden_b_ = row("decoder.1.bias", s.decoder_hidden());
  // Decay would pull the closed-form start away.
  const ParameterSettings of_genes{s.gene_rate, 0, 0, false};
  decoder_weight = p.add("decoder.2.weight", s.genes, s.latents() + s.decoder_hidden(), Initial::zero, of_genes);
  decoder_bias = p.add("decoder.2.bias", 1, s.genes, Initial::zero, of_genes);
  if (s.zero_logits) {
    zero_w_ = p.add("decoder.zero.weight", s.genes, s.latents() + s.decoder_hidden(), Initial::zero, {s.gene_rate});
    zero_bias = p.add("decoder.zero.bias", 1, s.genes, Initial::zero, of_genes);
  }
  state_prior = row("prior.state", s.state), identity_prior = row("prior.identity", s.identity);
  technical_prior = row("prior.technical", s.technical);
  identity_table = p.add("prior.identity_of_context", s.contexts, s.identity, Initial::uniform_fan_in, bias);
  technical_table = p.add("prior.technical_of_batch", s.batches, s.technical, Initial::uniform_fan_in, bias);
  // A logarithm that has far to go: ten times the rate.
  gene_parameter = p.add("decoder.gene_parameter", 1, s.genes, Initial::zero, {10 * s.gene_rate, 0, 0, false});
  context_w_ = weight("labels.context.weight", s.contexts, s.identity),
  context_b_ = row("labels.context.bias", s.contexts);
  batch_w_ = weight("labels.batch.weight", s.batches, s.technical), batch_b_ = row("labels.batch.bias", s.batches);
  // Of a state that does not come to meet it: ten times the rate.
  perturbed_w_ = p.add("labels.perturbed.weight", 2, s.state, Initial::uniform_fan_in, {10, 1, 0, false});
  perturbed_b_ = p.add("labels.perturbed.bias", 1, 2, Initial::zero, {10, 0, 0, false});
  const std::size_t A = 64;
  adversary_w1_ = weight("adversary.1.weight", A, s.state), adversary_b1_ = row("adversary.1.bias", A);
  adversary_context_w_ = weight("adversary.context.weight", s.contexts, A);
  adversary_context_b_ = row("adversary.context.bias", s.contexts);
  adversary_batch_w_ = weight("adversary.batch.weight", s.batches, A);
  adversary_batch_b_ = row("adversary.batch.bias", s.batches);
}

EncodedCells CellAutoencoder::encode(Tape& t, Var positions, Var start) const {
  const Var hidden = ops::linear(t, start, state_w1_, state_b1_, Activation::silu);
  const Var state = ops::linear(t, hidden, state_w2_, state_bias);
  const Var other_hidden = ops::linear(t, positions, other_w1_, other_b1_, Activation::silu);
  const Var other = ops::linear(t, other_hidden, other_w2_, other_b2_);
  const std::size_t S = sizes_.state, I = sizes_.identity, T = sizes_.technical;
  EncodedCells e;
  e.state = {ops::add(t, t.slice(state, 0, S), start), t.slice(state, S, S)};
  e.identity = {t.slice(other, 0, I), t.slice(other, I, I)};
  e.technical = {t.slice(other, 2 * I, T), t.slice(other, 2 * I + T, T)};
  return e;
}

DecodedCells CellAutoencoder::decode(Tape& t, Var state, Var identity, Var technical, Var offset,
                                     const ops::Choice* some) const {
  const Var z = ops::concatenate(t, {state, identity, technical});
  const Var all = ops::concatenate(t, {z, ops::linear(t, z, hidden_w_, hidden_b_, Activation::silu)});
  DecodedCells d;
  if (some == nullptr) {
    d.logits = ops::linear_residual(t, all, decoder_weight, decoder_bias, offset);
    if (sizes_.zero_logits) d.zero = ops::linear(t, all, zero_w_, zero_bias);
    d.gene_parameter = ops::parameter(t, gene_parameter);
    return d;
  }
  const auto rows = [&](Parameter p) { return ops::parameter_rows(t, p, *some); };
  const auto columns = [&](Parameter p) { return ops::parameter_columns(t, p, *some); };
  d.logits = ops::linear_residual(t, all, rows(decoder_weight), columns(decoder_bias), offset);
  if (sizes_.zero_logits) d.zero = ops::linear(t, all, rows(zero_w_), columns(zero_bias));
  d.gene_parameter = columns(gene_parameter);
  return d;
}

LabelLogits CellAutoencoder::labels(Tape& t, Var state, Var identity, Var technical) const {
  return {ops::linear(t, identity, context_w_, context_b_), ops::linear(t, technical, batch_w_, batch_b_),
          ops::linear(t, state, perturbed_w_, perturbed_b_)};
}

LabelLogits CellAutoencoder::adversary(Tape& t, Var state) const {
  const Var hidden = ops::linear(t, state, adversary_w1_, adversary_b1_, Activation::silu);
  return {ops::linear(t, hidden, adversary_context_w_, adversary_context_b_),
          ops::linear(t, hidden, adversary_batch_w_, adversary_batch_b_),
          {}};
}

}  // namespace perturbine

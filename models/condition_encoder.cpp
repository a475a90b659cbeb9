#include "models/condition_encoder.h"

namespace perturbine {

ConditionEncoder::ConditionEncoder(Parameters& parameters, const ConditionEncoderSizes& s, float embedding_penalty,
                                   const std::string& prefix)
    : sizes_(s) {
  struct {
    Parameters& parameters;
    const std::string& prefix;
    Parameter add(const char* name, std::size_t rows, std::size_t columns, Initial initial,
                  ParameterSettings settings = {}) {
      return parameters.add(prefix + name, rows, columns, initial, settings);
    }
  } p{parameters, prefix};
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
  if (s.features > 0) {
    features_w_ =
        p.add("perturbation.features.weight", s.hidden, s.features, Initial::zero, {1, 0, embedding_penalty, false});
    features_b_ = p.add("perturbation.features.bias", 1, s.hidden, Initial::zero, no_decay);
  }
  context_ = p.add("context.embedding", s.contexts, s.hidden, Initial::zero, {1, 0, embedding_penalty, false});
  if (s.summary == ControlSummary::none) return;
  value_w_ = p.add("control.value.weight", s.hidden, s.cell_width, random);
  value_b_ = p.add("control.value.bias", 1, s.hidden, Initial::zero, no_decay);
  if (s.summary == ControlSummary::attention) {
    require(s.hidden % s.heads == 0, "condition encoder: ", s.heads, " heads do not divide a width of ", s.hidden);
    query_w_ = p.add("control.query.weight", s.hidden, s.hidden, random);
    query_b_ = p.add("control.query.bias", 1, s.hidden, Initial::zero, no_decay);
    key_w_ = p.add("control.key.weight", s.hidden, s.cell_width, random);
    key_b_ = p.add("control.key.bias", 1, s.hidden, Initial::zero, no_decay);
  }
  summary_w_ = p.add("control.out.weight", s.hidden, s.hidden, Initial::zero);
  summary_b_ = p.add("control.out.bias", 1, s.hidden, Initial::zero, no_decay);
}

Var ConditionEncoder::encode(Tape& t, const EncodedCondition& c) const {
  const std::size_t rows = c.time.size;
  // Fixed frequencies from 1 to 1000 radians per unit of diffusion time, held as a frozen parameter's value.
  const MatrixView<float> f = t.parameters().value(frequency_);
  Var e = ops::time_embedding(t, c.time, VectorView<const float>{f.data, f.columns});
  e = ops::linear(t, e, time_w1_, time_b1_, Activation::silu);
  e = ops::linear(t, e, time_w2_, time_b2_);
  e = ops::add(t, e, ops::set_embedding(t, perturbation_, c.perturbations, rows));
  if (sizes_.features > 0) e = ops::add(t, e, ops::linear(t, t.constant(c.features), features_w_, features_b_));
  if (sizes_.contexts > 1) e = ops::add(t, e, ops::set_embedding(t, context_, c.contexts, rows));
  if (sizes_.summary != ControlSummary::none) {
    const Var cells = t.constant(c.control_cells);
    Var summary;
    if (sizes_.summary == ControlSummary::attention)
      summary = ops::set_attention(t, ops::linear(t, e, query_w_, query_b_), ops::linear(t, cells, key_w_, key_b_),
                                   ops::linear(t, cells, value_w_, value_b_), c.control_length, sizes_.heads);
    else
      summary = ops::scale_rows(t, ops::linear(t, cells, value_w_, value_b_, Activation::silu), c.control_present);
    e = ops::add(t, e, ops::linear(t, summary, summary_w_, summary_b_));
  }
  return ops::silu(t, e);
}

}  // namespace perturbine

#include "models/mean_network.h"

namespace perturbine {

MeanNetwork::MeanNetwork(Parameters& p, std::size_t width, const ConditionEncoderSizes& s, float embedding_penalty,
                         const ConditionEncoder* shared)
    : own_(shared != nullptr ? nullptr : std::make_unique<ConditionEncoder>(p, s, embedding_penalty, "mean.")),
      encoder_(shared != nullptr ? shared : own_.get()) {
  const ParameterSettings no_decay{1, 0, 0, false};
  w1_ = p.add("mean.1.weight", s.hidden, s.hidden, Initial::uniform_fan_in);
  b1_ = p.add("mean.1.bias", 1, s.hidden, Initial::zero, no_decay);
  w2_ = p.add("mean.2.weight", width, s.hidden, Initial::zero);
  b2_ = p.add("mean.2.bias", 1, width, Initial::zero, no_decay);
}

Var MeanNetwork::shift(Tape& t, const EncodedCondition& c) const {
  return ops::linear(t, ops::linear(t, encoder_->encode(t, c), w1_, b1_, Activation::silu), w2_, b2_);
}

}  // namespace perturbine

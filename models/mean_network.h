// A network for what the closed-form mean misses: one vector of scaled coordinates for a condition in a context.
#pragma once
#include <memory>

#include "models/condition_encoder.h"

namespace perturbine {

/// shift = linear(silu(linear(silu(e)))), e the encoded condition at time 1; the last linear starts at zero, and so
/// does the shift.
class MeanNetwork {
 public:
  /// With an encoder of its own (parameters named mean.*), or on `shared`.
  MeanNetwork(Parameters& parameters, std::size_t width, const ConditionEncoderSizes& sizes, float embedding_penalty,
              const ConditionEncoder* shared);
  /// [rows, width]
  Var shift(Tape& tape, const EncodedCondition& condition) const;

 private:
  std::unique_ptr<ConditionEncoder> own_;
  const ConditionEncoder* encoder_;
  Parameter w1_, b1_, w2_, b2_;
};

}  // namespace perturbine

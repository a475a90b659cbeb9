// The layer of scvi-tools: linear, batch norm (momentum .01, epsilon .001), leaky ReLU, dropout.
#pragma once
#include <string>

#include "engine/ops/ops.h"

namespace perturbine {

struct NormalisedLayer {
  Parameter weight, bias;
  ops::BatchNormParameters norm;
  float slope = 0;  // of the leaky ReLU
};
/// Dropout of a training step.
struct DropoutNoise {
  VectorView<const std::uint64_t> offset;
  std::uint64_t seed = 0;
  float rate = 0;
};

inline NormalisedLayer add_normalised_layer(Parameters& p, const std::string& name, std::size_t out, std::size_t in,
                                            float slope, const ParameterSettings& settings) {
  return {p.add(name + ".weight", out, in, Initial::uniform_fan_in, settings),
          p.add(name + ".bias", 1, out, Initial::zero, settings), ops::add_batch_norm(p, name + ".norm", out, settings),
          slope};
}

/// Without noise by the running statistics; `stream` tells layers' noise apart.
inline Var normalised_layer(Tape& t, Var x, const NormalisedLayer& l, const DropoutNoise* noise, std::uint64_t stream) {
  const Var z = ops::linear(t, x, l.weight, l.bias);
  if (noise == nullptr) return ops::batch_norm_inference(t, z, l.norm, l.slope);
  return ops::dropout(t, ops::batch_norm(t, z, l.norm, l.slope), noise->rate, noise->offset, noise->seed, stream);
}

}  // namespace perturbine

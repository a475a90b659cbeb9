// Activations of registers of numbers, for native kernels.
#pragma once
#include "kernels/core/lanes.h"
#include "kernels/dense/product.h"

namespace perturbine {

template <Activation activation>
[[gnu::always_inline]] inline Lanes activated(Lanes z) {
  if constexpr (activation == Activation::silu) return lanes::silu(z);
  if constexpr (activation == Activation::gelu) return lanes::gelu(z);
  return z;
}
/// d activated(z) / dz
template <Activation activation>
[[gnu::always_inline]] inline Lanes activation_slope(Lanes z) {
  if constexpr (activation == Activation::silu) return lanes::silu_slope(z);
  if constexpr (activation == Activation::gelu) return lanes::gelu_slope(z);
  return lanes::all(1);
}

/// body(std::integral_constant<Activation, ...>()): the choice outside of the loops.
template <class Body>
void with_activation(Activation activation, Body&& body) {
  switch (activation) {
    case Activation::none:
      return body(std::integral_constant<Activation, Activation::none>());
    case Activation::silu:
      return body(std::integral_constant<Activation, Activation::silu>());
    case Activation::gelu:
      return body(std::integral_constant<Activation, Activation::gelu>());
  }
}

}  // namespace perturbine

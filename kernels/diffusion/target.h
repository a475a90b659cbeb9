// The targets' formulas for one number, shared by the executors; see Target in diffusion.h.
#pragma once
#include "kernels/core/formulas.h"
#include "kernels/diffusion/diffusion.h"

namespace perturbine::formulas {

/// F's target. `variance` counts only for Target::x0, where it is
/// (x0 - skip xt) / out = (sigma x0 - alpha v e) / sqrt(v (alpha^2 v + sigma^2)): no cancellation at either end.
template <Target target>
PERTURBINE_HOST_DEVICE inline float diffusion_target(float x0, float noise, float alpha, float sigma, float variance) {
  if constexpr (target == Target::epsilon)
    return noise;
  else if constexpr (target == Target::v)
    return alpha * noise - sigma * x0;
  else if constexpr (target == Target::score)
    return -noise / sigma;
  else {
    const float total = alpha * alpha * variance + sigma * sigma;
    return (sigma * x0 - alpha * variance * noise) / __builtin_sqrtf(variance * total);
  }
}

template <Target target>
PERTURBINE_HOST_DEVICE inline float denoised(float F, float xt, float alpha, float sigma, float variance) {
  if constexpr (target == Target::epsilon)
    return (xt - sigma * F) / alpha;
  else if constexpr (target == Target::v)
    return alpha * xt - sigma * F;
  else if constexpr (target == Target::score)
    return (xt + sigma * sigma * F) / alpha;
  else {
    const float total = alpha * alpha * variance + sigma * sigma;
    return alpha * variance / total * xt + sigma * __builtin_sqrtf(variance / total) * F;
  }
}

/// Calls body(std::integral_constant<Target, ...>) for a target known at run time.
template <class Body>
void dispatch_target(Target target, Body&& body) {
  switch (target) {
    case Target::epsilon:
      body(std::integral_constant<Target, Target::epsilon>{});
      break;
    case Target::x0:
      body(std::integral_constant<Target, Target::x0>{});
      break;
    case Target::v:
      body(std::integral_constant<Target, Target::v>{});
      break;
    case Target::score:
      body(std::integral_constant<Target, Target::score>{});
      break;
  }
}

}  // namespace perturbine::formulas

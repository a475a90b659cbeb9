// Functions under one name for a number and for a register of them (lanes.h): formulas written as templates over
// `Number` serve devices and native kernels.
#pragma once
#include "kernels/core/formulas.h"

#if defined(__CUDACC__)
#define PERTURBINE_INLINE __host__ __device__ __forceinline__
#else
#include "kernels/core/lanes.h"
#define PERTURBINE_INLINE [[gnu::always_inline]] inline
#endif

namespace perturbine::formulas {

#if !defined(__CUDACC__)
using lanes::exp_of_minus_absolute, lanes::log, lanes::log1p, lanes::reciprocal, lanes::where_negative;
#endif
PERTURBINE_INLINE float reciprocal(float x) { return 1.0f / x; }
PERTURBINE_INLINE float exp_of_minus_absolute(float x) { return exp(-__builtin_fabsf(x)); }
/// a where x is below zero, else b.
PERTURBINE_INLINE float where_negative(float x, float a, float b) { return x < 0 ? a : b; }

template <class Number>
struct Softplus {
  Number value, slope;
};
/// log(1 + e^x) and its slope, sigmoid(x), from one exponential.
template <class Number>
PERTURBINE_INLINE Softplus<Number> softplus_with_slope(Number x) {
  const Number one = Number{} + 1.0f, e = exp_of_minus_absolute(x), w = 1.0f + e;
  return {where_negative(x, Number{}, x) + log(w) + (e - (w - 1.0f)), where_negative(x, e, one) * reciprocal(w)};
}

}  // namespace perturbine::formulas

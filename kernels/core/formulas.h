// Scalar formulas shared by every executor: host and device, float. On the host they are branch-free polynomials that
// compilers turn into vector code; on the device exp, log and tanh are CUDA's own. Coefficients: S. Moshier,
// Cephes 2.8.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/core/bfloat16.h"

namespace perturbine::formulas {

PERTURBINE_HOST_DEVICE inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

/// e^x to 1e-7 relative; saturates at 1.2e-38 and 2.4e38 instead of underflow and overflow.
PERTURBINE_HOST_DEVICE inline float exp(float x) {
#if defined(__CUDA_ARCH__)
  return ::expf(x);
#else
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float n = (x * 1.44269504088896341f + magic) - magic;
  float r = fused(n, -0.693359375f, x);
  r = fused(n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = fused(p, r, 1.3981999507e-3f);
  p = fused(p, r, 8.3334519073e-3f);
  p = fused(p, r, 4.1665795894e-2f);
  p = fused(p, r, 1.6666665459e-1f);
  p = fused(p, r, 5.0000001201e-1f);
  p = fused(p, r * r, r + 1.0f);
  return p * __builtin_bit_cast(float, (static_cast<std::int32_t>(n) + 127) << 23);
#endif
}

/// Natural logarithm by fused multiply-adds alone: the same bits on host and device (random normals rest on it).
/// For normal x > 0; zero and below give about -87.3.
PERTURBINE_HOST_DEVICE inline float portable_log(float x) {
  // As integers, whose larger one is an instruction: a float comparison becomes a branch that stops vector code.
  const std::int32_t given = __builtin_bit_cast(std::int32_t, x), least = 0x00800000;
  const std::int32_t bits = given < least ? least : given;
  // x = 2^e * m with m in [sqrt(1/2), sqrt(2))
  const std::int32_t e = (bits - 0x3f3504f3) >> 23;
  const float m = __builtin_bit_cast(float, bits - (e << 23));
  const float f = m - 1.0f, z = f * f, n = static_cast<float>(e);
  float p = 7.0376836292e-2f;
  p = fused(p, f, -1.1514610310e-1f);
  p = fused(p, f, 1.1676998740e-1f);
  p = fused(p, f, -1.2420140846e-1f);
  p = fused(p, f, 1.4249322787e-1f);
  p = fused(p, f, -1.6668057665e-1f);
  p = fused(p, f, 2.0000714765e-1f);
  p = fused(p, f, -2.4999993993e-1f);
  p = fused(p, f, 3.3333331174e-1f);
  const float fz = f * z;
  float y = fused(n, -2.12194440e-4f, p * fz);
  y = fused(z, -0.5f, y);
  return fused(n, 0.693359375f, f + y);
}

/// Natural logarithm of x > 0, 1e-7 relative; zero gives about -87.3 on the host, -inf on the device.
PERTURBINE_HOST_DEVICE inline float log(float x) {
#if defined(__CUDA_ARCH__)
  return ::logf(x);
#else
  return portable_log(x);
#endif
}

/// log(1 + x) for x > -1, accurate near zero: what rounding 1 + x to u lost is added back to first order.
PERTURBINE_HOST_DEVICE inline float log1p(float x) {
#if defined(__CUDA_ARCH__)
  return ::log1pf(x);
#else
  const float u = 1.0f + x;
  return portable_log(u) + (x - (u - 1.0f)) / u;
#endif
}

PERTURBINE_HOST_DEVICE inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }
PERTURBINE_HOST_DEVICE inline float silu(float x) { return x * sigmoid(x); }
/// d silu(x) / dx
PERTURBINE_HOST_DEVICE inline float silu_slope(float x) {
  const float s = sigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}
/// tanh approximation of GELU, with (1 + tanh(u)) / 2 = sigmoid(2 u). Source: Hendrycks and Gimpel, arXiv:1606.08415.
PERTURBINE_HOST_DEVICE inline float gelu(float x) {
  return x * sigmoid(1.5957691216f * fused(0.044715f * x, x * x, x));
}
PERTURBINE_HOST_DEVICE inline float gelu_slope(float x) {
  const float s = sigmoid(1.5957691216f * fused(0.044715f * x, x * x, x));
  return s * (1.0f + x * (1.0f - s) * (1.5957691216f * fused(0.134145f * x, x, 1.0f)));
}
/// log(1 + e^x)
PERTURBINE_HOST_DEVICE inline float softplus(float x) {
  const float a = x < 0 ? x : -x;
  return (x > 0 ? x : 0.0f) + log1p(exp(a));
}

/// sin and cos of 2 pi u, by fused multiply-adds alone: the same bits on host and device.
PERTURBINE_HOST_DEVICE inline void portable_sincos_turns(float u, float& sine, float& cosine) {
  const float magic = 12582912.0f;
  const float t = u * 4.0f;
  const float n = (t + magic) - magic;  // nearest quarter turn
  const std::int32_t q = static_cast<std::int32_t>(n);
  const float r = (t - n) * 1.57079632679489662f;
  const float z = r * r;
  float s = -1.9515295891e-4f;
  s = fused(s, z, 8.3321608736e-3f);
  s = fused(s, z, -1.6666654611e-1f);
  s = fused(s * z, r, r);
  float c = 2.443315711809948e-5f;
  c = fused(c, z, -1.388731625493765e-3f);
  c = fused(c, z, 4.166664568298827e-2f);
  c = fused(c * z, z, fused(z, -0.5f, 1.0f));
  const float a = (q & 1) != 0 ? c : s, b = (q & 1) != 0 ? s : c;
  sine = (q & 2) != 0 ? -a : a;
  cosine = ((q + 1) & 2) != 0 ? -b : b;
}

}  // namespace perturbine::formulas

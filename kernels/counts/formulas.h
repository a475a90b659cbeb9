// Count formulas for one number, shared by the executors. Every form is chosen so that nothing large cancels in float:
// theta to 1e12, mean to 1e-12, counts to 1e9. Derivation in docs/kernels.md.
#pragma once
#include "kernels/core/formulas.h"
#include "kernels/core/philox.h"

// Loops over these formulas become vector code only if every call is inlined, every inner loop unrolled and every
// choice made by a factor of 0 or 1 that is no condition (a repeated condition is threaded into branches).
#if defined(__CUDACC__)
#define PERTURBINE_INLINE __host__ __device__ __forceinline__
#define PERTURBINE_UNROLL(n)  // nvcc unrolls short loops itself
#else
#define PERTURBINE_INLINE [[gnu::always_inline]] inline
#define PERTURBINE_DO_PRAGMA(text) _Pragma(#text)
#define PERTURBINE_UNROLL(n) PERTURBINE_DO_PRAGMA(GCC unroll n)
#endif

namespace perturbine::formulas {

/// 1 below zero, else 0: the sign bit.
PERTURBINE_INLINE float negative(float x) {
  return static_cast<float>(static_cast<std::int32_t>(__builtin_bit_cast(std::uint32_t, x) >> 31));
}

/// log Gamma(z) - [(z - 1/2) log z - z + log(2 pi)/2]: Binet's remainder, z > 0.
PERTURBINE_INLINE float binet(float z) {
  float shift = 0;
  PERTURBINE_UNROLL(8)
  for (int i = 0; i < 8; ++i) {  // below 8: binet(z) = binet(z + 1) + (z + 1/2) log(1 + 1/z) - 1
    const float low = negative(z - 8);
    shift += low * ((z + 0.5f) * log1p(1.0f / z) - 1.0f);
    z += low;
  }
  const float r = 1.0f / z, r2 = r * r;
  return shift + r * (8.3333333e-2f - r2 * (2.7777778e-3f - r2 * 7.9365079e-4f));
}

/// log(x!) for whole x from 0 to 32.
PERTURBINE_INLINE float log_small_factorial(int x) {
  constexpr float table[33] = {0.0f,        0.0f,        0.693147181f, 1.79175947f, 3.17805383f, 4.78749174f,
                               6.57925121f, 8.52516136f, 10.6046029f,  12.8018275f, 15.1044126f, 17.5023078f,
                               19.9872145f, 22.5521639f, 25.1912212f,  27.8992714f, 30.6718601f, 33.5050735f,
                               36.3954452f, 39.3398842f, 42.3356165f,  45.3801389f, 48.4711814f, 51.6066756f,
                               54.7847294f, 58.0036052f, 61.2617018f,  64.5575386f, 67.8897431f, 71.257039f,
                               74.6582363f, 78.0922236f, 81.5579595f};
  return table[x];
}

/// log(x!) for whole x >= 0.
PERTURBINE_HOST_DEVICE inline float log_factorial(float x) {
  if (x <= 32) return log_small_factorial(static_cast<int>(x));
  const float z = x + 1;
  return (z - 0.5f) * log(z) - z + 0.918938533f + binet(z);
}

/// log(1 + u), and log(1 + u) - u / (1 + u) without cancellation for small u; u >= 0. One logarithm, one division.
struct LogExcess {
  float log, excess, inverse;  // inverse: 1 / (1 + u)
};
PERTURBINE_INLINE LogExcess log1p_excess(float u) {
  const float w = 1.0f + u, inverse = 1.0f / w;
  const float l = log(w) + (u - (w - 1.0f)) * inverse;
  const float small = negative(u - 0.02f), v = small * u;
  const float series = v * v * (0.5f - v * (0.66666667f - v * (0.75f - 0.8f * v)));
  return {l, series + (1 - small) * (l - u * inverse), inverse};
}

/// log(ratio) where ratio = 1 + excess is known both ways: by the excess near 1, directly far below it.
PERTURBINE_INLINE float log_ratio(float excess, float ratio) {
  const float near = 1 - negative(excess + 0.5f), w = 1.0f + excess;
  const float argument = near * w + (1 - near) * ratio;
  return log(argument) + near * (excess - (w - 1.0f)) / argument;
}

struct NegativeBinomial {
  float log_probability, dmean, dtheta;  // and its derivatives
};

/// x = 0: -theta log(1 + mean / theta).
PERTURBINE_INLINE NegativeBinomial negative_binomial_zero(float mean, float theta) {
  const LogExcess e = log1p_excess(mean / theta);
  return {-theta * e.log, -e.inverse, -e.excess};
}

/// What is known of log(Gamma(x + theta) / Gamma(theta) / (mean + theta)^x) and its slope in theta after some factors.
struct SmallCountSum {
  float log_probability = 0, slope = 0;
};

/// Adds the factors i and i + 1 with one logarithm: log((1 + a)(1 + b)) has excess a + b + a b. Factors from x on are
/// 1, so that several counts may run side by side to the largest of them.
PERTURBINE_INLINE void add_two_factors(SmallCountSum& s, float i, float x, float mean, float theta,
                                       float inverse_total) {
  const float j = i + 1;
  const float first = negative(i - x), second = negative(j - x);
  const float a = first * (i - mean) * inverse_total, b = second * (j - mean) * inverse_total;
  const float p = first * (theta + i) * inverse_total + (1 - first);
  const float q = second * (theta + j) * inverse_total + (1 - second);
  s.log_probability += log_ratio(a + b + a * b, p * q);
  s.slope -= a / (theta + i) + b / (theta + j);
}

/// 1 <= x <= 32, from the sum over its factors and log(x!). d/dmean = theta (x - mean) / (mean (mean + theta)).
PERTURBINE_INLINE NegativeBinomial negative_binomial_small(const SmallCountSum& s, float x, float log_factorial,
                                                           float mean, float theta) {
  const LogExcess e = log1p_excess(mean / theta);
  return {s.log_probability + x * log(mean) - log_factorial - theta * e.log, (x - mean) / mean * e.inverse,
          s.slope - e.excess};
}

/// x > 32: by differences of Stirling's series.
PERTURBINE_INLINE NegativeBinomial negative_binomial_large(float x, float mean, float theta) {
  const float u = mean / theta, total = theta + mean, high = x + theta;
  NegativeBinomial r;
  r.dmean = (x - mean) / mean / (1 + u);
  r.log_probability = x * log_ratio(theta / total * ((mean - x) / x), mean / x * (high / total)) +
                      theta * log_ratio((x - mean) / total, high / total) - 0.5f * log1p(x / theta) -
                      0.5f * log(6.28318531f * x) + binet(high) - binet(theta) - binet(x);
  // digamma(x + theta) - digamma(theta) - log(1 + mean / theta) + (mean - x) / (theta + mean), with
  // digamma(z) = log z - 1 / (2 z) - 1 / (12 z^2) + ... and the recurrence below 8.
  float low = theta, recurrence = 0;
  PERTURBINE_UNROLL(8)
  for (int i = 0; i < 8; ++i) {
    const float shifted = negative(low - 8);
    recurrence += shifted / low;
    low += shifted;
  }
  auto rest = [](float z) { return -0.5f / z - 8.3333333e-2f / (z * z) + 8.3333333e-3f / (z * z * z * z); };
  // log(high / low) - log(total / theta): as one ratio when nothing was shifted.
  const float whole = log_ratio((x - mean) / total, high / total), apart = log(high / low) - log1p(u);
  const float unshifted = 1 - negative(theta - 8);
  r.dtheta = unshifted * whole + (1 - unshifted) * apart + (mean - x) / total + recurrence + rest(high) - rest(low);
  return r;
}

/// x >= 1.
PERTURBINE_HOST_DEVICE inline NegativeBinomial negative_binomial(float x, float mean, float theta) {
  if (x > 32) return negative_binomial_large(x, mean, theta);
  SmallCountSum s;
  const float inverse_total = 1.0f / (theta + mean);
  for (float i = 0; i < x; i += 2) add_two_factors(s, i, x, mean, theta, inverse_total);
  return negative_binomial_small(s, x, log_small_factorial(static_cast<int>(x)), mean, theta);
}

struct ZeroInflated {
  float log_probability, dmean, dtheta, dlogit;
};

/// The zero-inflated form of a zero count, with l = log NB(0):
///   log(pi + (1 - pi) e^l) = max(logit, l) - max(logit, 0) + log((1 + e^-|logit - l|) / (1 + e^-|logit|))
PERTURBINE_INLINE ZeroInflated zero_inflated_zero(float mean, float theta, float logit) {
  const LogExcess e = log1p_excess(mean / theta);
  const float l = -theta * e.log, d = logit - l;
  const float near = exp(-__builtin_fabsf(d)), far = exp(-__builtin_fabsf(logit));
  const float count_wins = negative(d), below = negative(logit), inverse = 1.0f / (1.0f + far);
  const float share = (count_wins + (1 - count_wins) * near) / (1.0f + near);  // of the count part in the zeros
  const float pi = (below * far + (1 - below)) * inverse;
  const float y = (near - far) * inverse, w = 1.0f + y;
  ZeroInflated z;
  z.log_probability = (count_wins * l + (1 - count_wins) * below * logit) + (log(w) + (y - (w - 1.0f)));
  z.dmean = -share * e.inverse;
  z.dtheta = -share * e.excess;
  z.dlogit = (1 - share) - pi;
  return z;
}

/// The zero-inflated form of a positive count from the plain one: log(1 - pi) = -softplus(logit) more.
PERTURBINE_INLINE ZeroInflated zero_inflated_positive(const NegativeBinomial& nb, float logit) {
  const float size = __builtin_fabsf(logit), far = exp(-size), w = 1.0f + far, below = negative(logit);
  const float softplus = (1 - below) * logit + log(w) + (far - (w - 1.0f));
  return {nb.log_probability - softplus, nb.dmean, nb.dtheta, -(below * far + (1 - below)) / w};
}

/// A stream of random words of one matrix element.
struct ElementRandom {
  std::uint64_t seed, offset, row, column;
  std::uint32_t drawn = 0;
  PERTURBINE_HOST_DEVICE std::uint32_t word() {
    // Element (row, column) owns subsequence row << 32 | column; its words follow one another over offsets.
    const PhiloxWords w = philox(seed, offset + drawn / 4, row << 32 | column);
    return w.word[drawn++ % 4];
  }
  PERTURBINE_HOST_DEVICE float uniform() { return perturbine::uniform(word()); }
  PERTURBINE_HOST_DEVICE float normal() {
    float a, b;
    const std::uint32_t first = word();
    box_muller(first, word(), a, b);
    return a;
  }
};

PERTURBINE_HOST_DEVICE inline float poisson(float rate, ElementRandom& random) {
  if (!(rate > 0)) return 0;
  if (rate < 16) {
    float p = exp(-rate), cumulative = p, k = 0;
    const float u = random.uniform();
    while (u > cumulative && k < 200) {
      k += 1;
      p *= rate / k;
      cumulative += p;
    }
    return k;
  }
  const float root = __builtin_sqrtf(rate), b = 0.931f + 2.53f * root, a = -0.059f + 0.02483f * b;
  const float inverse_alpha = 1.1239f + 1.1328f / (b - 3.4f), vr = 0.9277f - 3.6224f / (b - 2);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const float u = random.uniform() - 0.5f, v = random.uniform(), us = 0.5f - __builtin_fabsf(u);
    if (us <= 0) continue;
    const float k = __builtin_floorf((2 * a / us + b) * u + rate + 0.43f);
    if (us >= 0.07f && v <= vr) return k;
    if (k < 0 || (us < 0.013f && v > us)) continue;
    if (log(v * inverse_alpha / (a / (us * us) + b)) <= k * log(rate) - rate - log_factorial(k)) return k;
  }
  return __builtin_floorf(rate);
}

/// Gamma with the given shape and mean 1.
PERTURBINE_HOST_DEVICE inline float unit_gamma(float shape, ElementRandom& random) {
  float boost = 1;
  const float original = shape;
  if (shape < 1) {
    boost = exp(log(random.uniform()) / shape);
    shape += 1;
  }
  const float d = shape - 1.0f / 3.0f, c = 1.0f / __builtin_sqrtf(9 * d);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const float z = random.normal(), t = 1 + c * z;
    if (t <= 0) continue;
    const float v = t * t * t, u = random.uniform();
    if (log(u) < 0.5f * z * z + d * (1 - v + log(v))) return d * v * boost / original;
  }
  return 1;
}

}  // namespace perturbine::formulas

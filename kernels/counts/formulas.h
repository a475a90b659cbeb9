// Count formulas for one number, shared by the executors. Every form is chosen so that nothing large cancels in float:
// theta to 1e12, mean to 1e-12, counts to 1e9. Derivation in docs/kernels.md.
#pragma once
#include "kernels/core/formulas.h"
#include "kernels/core/philox.h"

namespace perturbine::formulas {

/// log Gamma(z) - [(z - 1/2) log z - z + log(2 pi)/2]: Binet's remainder, z > 0.
PERTURBINE_HOST_DEVICE inline float binet(float z) {
  float shift = 0;
  while (z < 8) {  // binet(z) = binet(z + 1) + (z + 1/2) log(1 + 1/z) - 1
    shift += (z + 0.5f) * log1p(1.0f / z) - 1.0f;
    z += 1.0f;
  }
  const float r = 1.0f / z, r2 = r * r;
  return shift + r * (8.3333333e-2f - r2 * (2.7777778e-3f - r2 * 7.9365079e-4f));
}

/// log(x!) for whole x from 0 to 32.
PERTURBINE_HOST_DEVICE inline float log_small_factorial(int x) {
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

/// log(1 + u) - u / (1 + u), u >= 0, without cancellation for small u.
PERTURBINE_HOST_DEVICE inline float log1p_excess(float u) {
  const float series = u * u * (0.5f - u * (0.66666667f - u * (0.75f - 0.8f * u)));
  const float direct = log1p(u) - u / (1 + u);
  return u < 0.02f ? series : direct;
}

/// log(ratio) where ratio = 1 + excess is known both ways: by the excess near 1, directly far below it.
PERTURBINE_HOST_DEVICE inline float log_ratio(float excess, float ratio) {
  return excess > -0.5f ? log1p(excess) : log(ratio);
}

struct NegativeBinomial {
  float log_probability, dmean, dtheta;  // and its derivatives
};

/// x = 0: -theta log(1 + mean / theta).
PERTURBINE_HOST_DEVICE inline NegativeBinomial negative_binomial_zero(float mean, float theta) {
  const float u = mean / theta;
  return {-theta * log1p(u), -1.0f / (1.0f + u), -log1p_excess(u)};
}

/// x >= 1. Small counts as a sum of logarithms, large ones by Stirling differences.
PERTURBINE_HOST_DEVICE inline NegativeBinomial negative_binomial(float x, float mean, float theta) {
  const float u = mean / theta, total = theta + mean;
  NegativeBinomial r;
  // theta (x - mean) / (mean (mean + theta))
  r.dmean = (x - mean) / mean / (1 + u);
  if (x <= 32) {
    // Two factors to a logarithm: log((1 + a)(1 + b)) with excess a + b + a b.
    float sum = 0, slope = 0, excess = 0, ratio = 1;
    const int n = static_cast<int>(x);
    for (int i = 0; i < n; ++i) {
      const float k = static_cast<float>(i), e = (k - mean) / total;
      excess += e + excess * e;
      ratio *= (theta + k) / total;
      slope += (mean - k) / (theta + k) / total;
      if ((i & 1) != 0 || i + 1 == n) {
        sum += log_ratio(excess, ratio);
        excess = 0, ratio = 1;
      }
    }
    r.log_probability = sum + x * log(mean) - log_factorial(x) - theta * log1p(u);
    r.dtheta = slope - log1p_excess(u);
  } else {
    const float b_theta = binet(theta), b_sum = binet(x + theta);
    r.log_probability = x * log_ratio(theta / total * ((mean - x) / x), mean / x * ((x + theta) / total)) +
                        theta * log_ratio((x - mean) / total, (x + theta) / total) - 0.5f * log1p(x / theta) -
                        0.5f * log(6.28318531f * x) + b_sum - b_theta - binet(x);
    // digamma(x + theta) - digamma(theta) - log(1 + mean / theta) + (mean - x) / (theta + mean), with
    // digamma(z) = log z - 1 / (2 z) - 1 / (12 z^2) + ... and the recurrence below 8.
    float low = theta, recurrence = 0;
    while (low < 8) {
      recurrence += 1.0f / low;
      low += 1;
    }
    const float high = x + theta;
    auto rest = [](float z) { return -0.5f / z - 8.3333333e-2f / (z * z) + 8.3333333e-3f / (z * z * z * z); };
    // log(high / low) - log(total / theta): as one ratio when nothing was shifted.
    const float logs = recurrence == 0 ? log_ratio((x - mean) / total, high / total) : log(high / low) - log1p(u);
    r.dtheta = logs + (mean - x) / total + recurrence + rest(high) - rest(low);
  }
  return r;
}

struct ZeroInflated {
  float log_probability, dmean, dtheta, dlogit;
};

/// The zero-inflated form of a zero count: log(pi + (1 - pi) e^l) = softplus(logit - l) + l - softplus(logit).
PERTURBINE_HOST_DEVICE inline ZeroInflated zero_inflated_zero(float mean, float theta, float logit) {
  const float u = mean / theta, l = -theta * log1p(u);
  const float share = sigmoid(l - logit);  // of the count part in the zeros
  ZeroInflated z;
  z.log_probability = softplus(logit - l) + l - softplus(logit);
  z.dmean = -share / (1.0f + u);
  z.dtheta = -share * log1p_excess(u);
  z.dlogit = (1 - share) - sigmoid(logit);
  return z;
}

/// The zero-inflated form of a positive count from the plain one.
PERTURBINE_HOST_DEVICE inline ZeroInflated zero_inflated_positive(const NegativeBinomial& nb, float logit) {
  return {nb.log_probability - softplus(logit), nb.dmean, nb.dtheta, -sigmoid(logit)};
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

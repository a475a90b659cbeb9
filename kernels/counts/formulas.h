// Count formulas, shared by the executors: of one number on a device, of a register of them (lanes.h) in native
// kernels. Every form is chosen so that nothing large cancels in float: theta to 1e12, mean to 1e-12, counts to 1e9.
// Derivation in docs/kernels.md.
#pragma once
#include "kernels/core/numbers.h"
#include "kernels/core/philox.h"

namespace perturbine::formulas {

/// log Gamma(z) - [(z - 1/2) log z - z + log(2 pi)/2]: Binet's remainder, z >= 8.
template <class Number>
PERTURBINE_INLINE Number binet_of_large(Number z) {
  const Number r = reciprocal(z), r2 = r * r;
  return r * (8.3333333e-2f - r2 * (2.7777778e-3f - r2 * 7.9365079e-4f));
}
/// z > 0.
template <class Number>
PERTURBINE_INLINE Number binet(Number z) {
  Number shift{};
  for (int i = 0; i < 8; ++i) {  // below 8: binet(z) = binet(z + 1) + (z + 1/2) log(1 + 1/z) - 1
    const Number low = z - 8.0f;
    shift = where_negative(low, shift + ((z + 0.5f) * log1p(reciprocal(z)) - 1.0f), shift);
    z = where_negative(low, z + 1.0f, z);
  }
  return shift + binet_of_large(z);
}

/// log(x!) for whole x from 0 to 32; 0 for others (what is no count must not read elsewhere).
PERTURBINE_HOST_DEVICE constexpr float log_small_factorial(int x) {
  constexpr float table[33] = {0.0f,        0.0f,        0.693147181f, 1.79175947f, 3.17805383f, 4.78749174f,
                               6.57925121f, 8.52516136f, 10.6046029f,  12.8018275f, 15.1044126f, 17.5023078f,
                               19.9872145f, 22.5521639f, 25.1912212f,  27.8992714f, 30.6718601f, 33.5050735f,
                               36.3954452f, 39.3398842f, 42.3356165f,  45.3801389f, 48.4711814f, 51.6066756f,
                               54.7847294f, 58.0036052f, 61.2617018f,  64.5575386f, 67.8897431f, 71.257039f,
                               74.6582363f, 78.0922236f, 81.5579595f};
  return x >= 0 && x <= 32 ? table[x] : 0.0f;
}

/// log(x!) for whole x >= 0.
PERTURBINE_HOST_DEVICE inline float log_factorial(float x) {
  if (x <= 32) return log_small_factorial(static_cast<int>(x));
  const float z = x + 1;
  return (z - 0.5f) * log(z) - z + 0.918938533f + binet_of_large(z);
}

/// log(1 + u), and log(1 + u) - u / (1 + u) without cancellation for small u; u >= 0. One logarithm, one division.
template <class Number>
struct LogExcess {
  Number log, excess, inverse;  // inverse: 1 / (1 + u)
};
template <class Number>
PERTURBINE_INLINE LogExcess<Number> log1p_excess(Number u) {
  const Number w = 1.0f + u, inverse = reciprocal(w);
  const Number l = log(w) + (u - (w - 1.0f)) * inverse;
  const Number series = u * u * (0.5f - u * (0.66666667f - u * (0.75f - 0.8f * u)));
  return {l, where_negative(u - 0.02f, series, l - u * inverse), inverse};
}

/// log(ratio) where ratio = 1 + excess is known both ways: by the excess near 1, directly far below it.
template <class Number>
PERTURBINE_INLINE Number log_ratio(Number excess, Number ratio) {
  const Number far = excess + 0.5f, w = 1.0f + excess, lost = excess - (w - 1.0f);
  const Number argument = where_negative(far, ratio, w);
  return log(argument) + where_negative(far, Number{}, lost) * reciprocal(argument);
}

/// Minus the log probability of a count, and its derivatives.
template <class Number>
struct NegativeBinomial {
  Number loss, dmean, dtheta;
};

/// x = 0: theta log(1 + mean / theta), of u = mean / theta.
template <class Number>
PERTURBINE_INLINE NegativeBinomial<Number> negative_binomial_zero(Number u, Number theta) {
  const LogExcess<Number> e = log1p_excess(u);
  return {theta * e.log, e.inverse, e.excess};
}

/// What is known of log(Gamma(x + theta) / Gamma(theta) / (mean + theta)^x) and its slope in theta after some factors.
template <class Number>
struct SmallCountSum {
  Number log_probability, slope;
};

/// Adds the factors i and i + 1 with one logarithm: log((1 + a)(1 + b)) has excess a + b + a b. Factors from x on are
/// 1, so that several counts may run side by side to the largest of them.
template <class Number>
PERTURBINE_INLINE void add_two_factors(SmallCountSum<Number>& s, float i, Number x, Number mean, Number theta,
                                       Number inverse_total) {
  const float j = i + 1;
  const Number one = Number{} + 1.0f, first = i - x, second = j - x, low = theta + i, high = theta + j;
  const Number a = where_negative(first, (i - mean) * inverse_total, Number{});
  const Number b = where_negative(second, (j - mean) * inverse_total, Number{});
  const Number p = where_negative(first, low * inverse_total, one);
  const Number q = where_negative(second, high * inverse_total, one);
  s.log_probability += log_ratio(a + b + a * b, p * q);
  s.slope -= (a * high + b * low) * reciprocal(low * high);
}

/// 1 <= x <= 32, of which the largest is `most`: a sum over its factors, of which the first, theta / (theta + mean), is
/// known from x = 0. d/dmean = theta (mean - x) / (mean (mean + theta)).
template <class Number>
PERTURBINE_INLINE NegativeBinomial<Number> negative_binomial_small(Number x, float most, Number log_factorial,
                                                                   Number mean, Number theta) {
  const Number inverse_theta = reciprocal(theta), u = mean * inverse_theta;
  const LogExcess<Number> e = log1p_excess(u);
  const Number inverse_total = inverse_theta * e.inverse;
  SmallCountSum<Number> s{-e.log, u * inverse_total};
  for (float i = 1; i < most; i += 2) add_two_factors(s, i, x, mean, theta, inverse_total);
  return {theta * e.log + log_factorial - x * log(mean) - s.log_probability, (mean - x) * reciprocal(mean) * e.inverse,
          e.excess - s.slope};
}

/// x > 32: by differences of Stirling's series.
template <class Number>
PERTURBINE_INLINE NegativeBinomial<Number> negative_binomial_large(Number x, Number mean, Number theta) {
  const Number inverse_theta = reciprocal(theta), u = mean * inverse_theta, inverse_x = reciprocal(x);
  const Number total = theta + mean, inverse_total = reciprocal(total), high = x + theta;
  NegativeBinomial<Number> r;
  r.dmean = (mean - x) * reciprocal(mean * (1.0f + u));
  r.loss = binet(theta) + binet_of_large(x) - binet_of_large(high) + 0.5f * log1p(x * inverse_theta) +
           0.5f * log(6.28318531f * x) -
           x * log_ratio(theta * inverse_total * ((mean - x) * inverse_x), mean * inverse_x * (high * inverse_total)) -
           theta * log_ratio((x - mean) * inverse_total, high * inverse_total);
  // Minus digamma(x + theta) - digamma(theta) - log(1 + mean / theta) + (mean - x) / (theta + mean), with
  // digamma(z) = log z - 1 / (2 z) - 1 / (12 z^2) + ... and the recurrence below 8.
  Number low = theta, recurrence{};
  for (int i = 0; i < 8; ++i) {
    const Number shifted = low - 8.0f;
    recurrence = where_negative(shifted, recurrence + reciprocal(low), recurrence);
    low = where_negative(shifted, low + 1.0f, low);
  }
  auto rest = [](Number inverse) {
    const Number square = inverse * inverse;
    return -0.5f * inverse - square * (8.3333333e-2f - 8.3333333e-3f * square);
  };
  // log(high / low) - log(total / theta): as one ratio when nothing was shifted.
  const Number inverse_low = reciprocal(low);
  const Number whole = log_ratio((x - mean) * inverse_total, high * inverse_total),
               apart = log(high * inverse_low) - log1p(u);
  r.dtheta = (x - mean) * inverse_total + rest(inverse_low) - rest(reciprocal(high)) - recurrence -
             where_negative(theta - 8.0f, apart, whole);
  return r;
}

/// x >= 1.
PERTURBINE_HOST_DEVICE inline NegativeBinomial<float> negative_binomial(float x, float mean, float theta) {
  if (x > 32) return negative_binomial_large(x, mean, theta);
  return negative_binomial_small(x, x, log_small_factorial(static_cast<int>(x)), mean, theta);
}

/// As NegativeBinomial, where a share of sigmoid(logit) is zero beside it.
template <class Number>
struct ZeroInflated {
  Number loss, dmean, dtheta, dlogit;
};

/// A zero, with l = log NB(0):
///   log(pi + (1 - pi) e^l) = max(logit, l) - max(logit, 0) + log((1 + e^-|logit - l|) / (1 + e^-|logit|))
/// of u = mean / theta.
template <class Number>
PERTURBINE_INLINE ZeroInflated<Number> zero_inflated_zero(Number u, Number theta, Number logit) {
  const Number one = Number{} + 1.0f;
  const NegativeBinomial<Number> nb = negative_binomial_zero(u, theta);
  const Number d = logit + nb.loss, near = exp_of_minus_absolute(d), far = exp_of_minus_absolute(logit);
  const Number a = 1.0f + near, b = 1.0f + far, both = reciprocal(a * b), inverse = a * both;
  const Number share = where_negative(d, one, near) * (b * both);  // of the count part in the zeros
  const Number y = (near - far) * inverse, w = 1.0f + y;
  ZeroInflated<Number> z;
  z.loss = where_negative(d, nb.loss, where_negative(logit, -logit, Number{})) - (log(w) + (y - (w - 1.0f)));
  z.dmean = share * nb.dmean;
  z.dtheta = share * nb.dtheta;
  z.dlogit = where_negative(logit, far, one) * inverse - (1.0f - share);
  return z;
}

/// A positive count, from the plain form: -log(1 - pi) more.
template <class Number>
PERTURBINE_INLINE ZeroInflated<Number> zero_inflated_positive(const NegativeBinomial<Number>& nb, Number logit) {
  const Softplus<Number> s = softplus_with_slope(logit);
  return {nb.loss + s.value, nb.dmean, nb.dtheta, s.slope};
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

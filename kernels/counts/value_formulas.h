// Likelihoods of one value of normalised expression, shared by the executors.
#pragma once
#include "kernels/core/numbers.h"

namespace perturbine::formulas {

/// Negative log-density of one element, and its slopes.
template <class Number>
struct ValueTerm {
  Number loss, dmean, dlog_deviation, dzero_logit;
};

/// Gaussian: -log N(x; mean, deviation), of zeros too. `precision`: e^-log_deviation.
template <class Number>
PERTURBINE_INLINE ValueTerm<Number> gaussian_value(Number x, Number mean, Number log_deviation, Number precision) {
  const Number z = (x - mean) * precision;
  return {0.918938533f + log_deviation + 0.5f * z * z, -z * precision, 1.0f - z * z, Number{}};
}
/// Zero-inflated log-normal at a zero: -log pi, pi = sigmoid(zero_logit).
template <class Number>
PERTURBINE_INLINE ValueTerm<Number> log_normal_zero(Number zero_logit) {
  const Softplus<Number> s = softplus_with_slope(-zero_logit);
  return {s.value, Number{}, Number{}, -s.slope};
}
/// At x > 0: -log(1 - pi) + log x - log N(log x; mean, deviation).
template <class Number>
PERTURBINE_INLINE ValueTerm<Number> log_normal_positive(Number x, Number mean, Number log_deviation, Number precision,
                                                        Number zero_logit) {
  const Number l = log(x);
  const Softplus<Number> s = softplus_with_slope(zero_logit);
  ValueTerm<Number> t = gaussian_value(l, mean, log_deviation, precision);
  t.loss += l + s.value, t.dzero_logit = s.slope;
  return t;
}

}  // namespace perturbine::formulas

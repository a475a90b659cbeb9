// Rows scaled by a learned dose response: 0 at dose 0, rising.
#pragma once
#include "kernels/core/formulas.h"
#include "kernels/core/operation.h"

namespace perturbine {

/// sigmoid: a Hill curve; monotone: a mixture of saturating and linear responses; both are 1 at dose 1. log_sigmoid:
/// the doser of CPA (Lotfollahi et al., Mol Syst Biol 19:e11517, 2023), of any height.
enum class DoseCurve { sigmoid, monotone, log_sigmoid };

namespace formulas {

/// The response and its slopes in the parameters.
struct DoseResponse {
  static constexpr int most = 4;
  float value = 0, slope[most] = {};
};

/// sigmoid   two parameters: s(d) = H(d) / H(1), H(d) = 1 / (1 + exp(-exp(p0) (log d - p1)))
/// monotone  four: s(d) = sum of softplus(p_k) f_k(d) / sum of softplus(p_k) f_k(1), f_k(d) = d / (d + t_k) with
///           t = 0.1, 1 and 10, and f_3(d) = d
/// log_sigmoid  two: s(d) = S(p0 log(1 + d) + p1) - S(p1), S(u) = 1 / (1 + exp(-u))
PERTURBINE_HOST_DEVICE inline DoseResponse dose_response(DoseCurve curve, float dose, const float* p) {
  DoseResponse r;
  if (!(dose > 0)) return r;
  if (curve == DoseCurve::sigmoid) {
    const float h = exp(p[0]), u = h * (log(dose) - p[1]), at_one = -h * p[1], rest = sigmoid(-u),
                rest_at_one = sigmoid(-at_one);
    r.value = exp(softplus(-at_one) - softplus(-u));
    r.slope[0] = r.value * (rest * u - rest_at_one * at_one);
    r.slope[1] = r.value * h * (rest_at_one - rest);
    return r;
  }
  if (curve == DoseCurve::log_sigmoid) {
    const float u = log1p(dose), s = sigmoid(fused(p[0], u, p[1])), at_zero = sigmoid(p[1]);
    r.value = s - at_zero;
    r.slope[0] = s * (1.0f - s) * u;
    r.slope[1] = s * (1.0f - s) - at_zero * (1.0f - at_zero);
    return r;
  }
  const float half[3] = {0.1f, 1.0f, 10.0f};
  float at[4], at_one[4], above = 0, below = 0;
  for (int k = 0; k < 4; ++k) {
    at[k] = k < 3 ? dose / (dose + half[k]) : dose;
    at_one[k] = k < 3 ? 1.0f / (1.0f + half[k]) : 1.0f;
    const float w = softplus(p[k]);
    above += w * at[k], below += w * at_one[k];
  }
  r.value = above / below;
  for (int k = 0; k < 4; ++k) r.slope[k] = sigmoid(p[k]) * (at[k] - r.value * at_one[k]) / below;
  return r;
}
PERTURBINE_HOST_DEVICE inline std::size_t dose_parameters(DoseCurve curve) {
  return curve == DoseCurve::monotone ? 4 : 2;
}

}  // namespace formulas

/// y_i = s(dose_i; parameters_i) x_i, with s as formulas::dose_response.
template <class T>
struct DoseScale {
  MatrixView<const T> x;                    // [rows, width]
  MatrixView<const T> parameters;           // [rows, dose_parameters(curve)]
  VectorView<const accumulator_t<T>> dose;  // [rows]
  MatrixView<T> y;                          // [rows, width]
  DoseCurve curve = DoseCurve::sigmoid;

  static constexpr std::string_view name = "dose_scale";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("parameters", parameters), visit("dose", dose), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns), require_size(*this, "dose", dose, y.rows);
    require_shape(*this, "parameters", parameters, y.rows, formulas::dose_parameters(curve));
  }
  Cost cost() const { return memory_cost(*this, static_cast<double>(y.rows * (y.columns + 100))); }
};

/// dx_i = s_i dy_i, dparameters_i = (x_i . dy_i) ds_i/dparameters.
template <class T>
struct DoseScaleBackward {
  MatrixView<const T> x, parameters, dy;
  VectorView<const accumulator_t<T>> dose;
  MatrixView<T> dx, dparameters;
  DoseCurve curve = DoseCurve::sigmoid;

  static constexpr std::string_view name = "dose_scale_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("parameters", parameters), visit("dy", dy), visit("dose", dose), visit("dx", dx);
    visit("dparameters", dparameters);
  }
  void check() const {
    require_shape(*this, "x", x, dy.rows, dy.columns), require_shape(*this, "dx", dx, dy.rows, dy.columns);
    require_shape(*this, "parameters", parameters, dy.rows, formulas::dose_parameters(curve));
    require_shape(*this, "dparameters", dparameters, dy.rows, parameters.columns);
    require_size(*this, "dose", dose, dy.rows);
  }
  Cost cost() const { return memory_cost(*this, static_cast<double>(dy.rows * (3 * dy.columns + 100))); }
};

}  // namespace perturbine

// What explicit Runge-Kutta solvers and continuous normalising flows need besides the network: stages, the error
// norm of an embedded pair, and estimates of a Jacobian's trace.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// The most slopes a stage combines: Dormand and Prince's method has seven.
inline constexpr std::size_t most_ode_slopes = 7;

/// y = x + sum over s of coefficient[s] * slope s; slope s is rows s * rows ... of `slopes`. y may be x. The
/// coefficients (step size times the method's numbers) lie in device memory.
template <class T>
struct OdeStage {
  MatrixView<const T> x, slopes;                   // [rows, width], [count * rows, width]
  VectorView<const accumulator_t<T>> coefficient;  // [count], at most 7
  MatrixView<T> y;                                 // [rows, width]

  static constexpr std::string_view name = "ode_stage";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("slopes", slopes), visit("coefficient", coefficient), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    require(coefficient.size <= most_ode_slopes, "ode_stage: ", coefficient.size, " slopes are more than 7");
    require_shape(*this, "slopes", slopes, coefficient.size * y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 2.0 * static_cast<double>(coefficient.size * y.rows * y.columns)); }
};

/// error[i] = sqrt(mean over columns of (d / (absolute + relative max(|x|, |y|)))^2), d = sum over s of
/// coefficient[s] * slope s: the scaled local error of a step from x to y. Source: Hairer, Norsett and Wanner, Solving
/// Ordinary Differential Equations I, eq. II.4.11, for each row.
template <class T>
struct OdeError {
  MatrixView<const T> x, y, slopes;                // [rows, width], [count * rows, width]
  VectorView<const accumulator_t<T>> coefficient;  // [count], at most 7
  VectorView<accumulator_t<T>> error;              // [rows]
  accumulator_t<T> absolute = accumulator_t<T>(1e-5), relative = accumulator_t<T>(1e-5);

  static constexpr std::string_view name = "ode_error";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("slopes", slopes), visit("coefficient", coefficient), visit("error", error);
  }
  void check() const {
    require_shape(*this, "y", y, x.rows, x.columns);
    require(coefficient.size <= most_ode_slopes, "ode_error: ", coefficient.size, " slopes are more than 7");
    require_shape(*this, "slopes", slopes, coefficient.size * x.rows, x.columns);
    require_size(*this, "error", error, x.rows);
    require(absolute > 0 || relative > 0, "ode_error: one tolerance must be positive");
  }
  Cost cost() const {
    return memory_cost(*this, 2.0 * static_cast<double>((coefficient.size + 4) * x.rows * x.columns));
  }
};

/// trace[i] = scale * sum over p < probes of direction . product in row i * probes + p, product = direction^T J. With
/// unit vectors and scale 1 it is the exact trace of J; with random signs and scale 1 / probes Hutchinson's estimate
/// (Grathwohl et al., arXiv:1810.01367, eq. 7).
template <class T>
struct TraceEstimate {
  MatrixView<const T> direction, product;  // [rows * probes, width]
  VectorView<accumulator_t<T>> trace;      // [rows]
  std::size_t probes = 1;
  accumulator_t<T> scale = 1;

  static constexpr std::string_view name = "trace_estimate";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("direction", direction), visit("product", product), visit("trace", trace);
  }
  void check() const {
    require_shape(*this, "direction", direction, trace.size * probes, product.columns);
    require_shape(*this, "product", product, trace.size * probes, product.columns);
  }
  Cost cost() const { return memory_cost(*this, 2.0 * static_cast<double>(product.rows * product.columns)); }
};

}  // namespace perturbine

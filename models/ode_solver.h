// Explicit Runge-Kutta solvers of dx/dt = f(t, x) for many rows at once, on any device.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/arena.h"

namespace perturbine {

enum class Solver { euler, heun, rk4, dormand_prince };
Solver solver_named(const std::string& name);

struct SolverSettings {
  Solver solver = Solver::heun;
  std::size_t steps = 20;   // of a solver that is not adaptive
  double tolerance = 1e-4;  // of Dormand and Prince's, absolute and relative, for the worst row
};

struct SolverReport {
  std::size_t accepted = 0, rejected = 0, evaluations = 0;
};

/// f of dx/dt = f(t, x), for every row of x.
struct Field {
  /// Told before them: the times of the next evaluations, in their order.
  std::function<void(const std::vector<double>& times)> plan;
  /// Writes f at the next of these times into `slope`, [rows, width] as x.
  std::function<void(MatrixView<const float> x, MatrixView<float> slope)> evaluate;
  /// Whether `evaluate` works on the device alone, at the same addresses every time: equal steps are then captured once
  /// and repeated.
  bool repeats = true;
};

/// Takes x [rows, width] from time `from` to `to` (either may be larger), in place.
///   euler, heun, rk4  equal steps of order 1, 2, 4
///   dormand-prince    order 5 with the embedded error of order 4 (Dormand and Prince, J. Comput. Appl. Math. 6 (1980)
///                     19) and step control after Hairer, Norsett and Wanner, Solving ODEs I, section II.4; throws
///                     Error after 10,000 steps.
SolverReport integrate(Queue& queue, MatrixView<float> x, double from, double to, const SolverSettings& settings,
                       const Field& field);

/// Rows of numbers with traces beside them: y' and, for each of `traces_per_row` probes of a row, the integrand.
struct TracedSlope {
  std::vector<double> y, trace;
};
/// Fourth-order Runge-Kutta in double from `from` to `to`: y and the integrals of the traces, in place.
void integrate_traced(std::vector<double>& y, std::vector<double>& trace, double from, double to, std::size_t steps,
                      const std::function<TracedSlope(double t, const std::vector<double>& y)>& slope);

}  // namespace perturbine

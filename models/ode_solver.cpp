#include "models/ode_solver.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/core/error.h"
#include "kernels/transport/ode.h"

namespace perturbine {
namespace {

// Nodes, weights of earlier slopes for each stage, and of all slopes for the result.
struct Method {
  std::vector<double> node;
  std::vector<std::vector<double>> stage;
  std::vector<double> result;
};

Method method_of(Solver solver) {
  switch (solver) {
    case Solver::euler:
      return {{0}, {{}}, {1}};
    case Solver::heun:
      return {{0, 1}, {{}, {1}}, {.5, .5}};
    case Solver::rk4:
      return {{0, .5, .5, 1}, {{}, {.5}, {0, .5}, {0, 0, 1}}, {1. / 6, 1. / 3, 1. / 3, 1. / 6}};
    default:
      return {{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
              {{},
               {1. / 5},
               {3. / 40, 9. / 40},
               {44. / 45, -56. / 15, 32. / 9},
               {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
               {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
               {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}},
              {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0}};
  }
}

// Result minus the embedded result of order four.
const std::vector<double>& error_weights() {
  static const std::vector<double> w{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525., -1. / 40};
  return w;
}

class Stepper {
 public:
  Stepper(Queue& queue, Solver solver, std::size_t rows, std::size_t width)
      : queue_(queue),
        method_(method_of(solver)),
        rows_(rows),
        width_(width),
        slopes_(queue, method_.node.size() * rows * width),
        stage_(queue, rows * width),
        next_(queue, rows * width),
        error_(queue, rows) {
    for (std::size_t s = 0; s <= stages(); ++s) coefficient_.emplace_back(queue, std::max<std::size_t>(1, s));
  }

  MatrixView<float> slope(std::size_t s) {
    return slopes_.matrix(method_.node.size() * rows_, width_).row_slice(s * rows_, rows_);
  }
  std::size_t stages() const { return method_.node.size(); }

  /// Adds the times of a step's evaluations.
  void add_times(double t, double h, bool have_first, std::vector<double>& times) const {
    for (std::size_t s = have_first ? 1 : 0; s < stages(); ++s) times.push_back(t + method_.node[s] * h);
  }
  /// The length of the next steps.
  void set_length(double h) {
    for (std::size_t s = 1; s < stages(); ++s) set(coefficient_[s], method_.stage[s], h);
    set(coefficient_[stages()], method_.result, h);
  }
  /// x a step later into next(); the first slope is known already with `have_first`.
  void step(MatrixView<const float> x, const Field& field, bool have_first) {
    for (std::size_t s = have_first ? 1 : 0; s < stages(); ++s) {
      MatrixView<const float> at = x;
      if (s > 0) {
        combine(x, coefficient_[s], stage_.matrix(rows_, width_));
        at = stage_.matrix(rows_, width_);
      }
      field.evaluate(at, slope(s));
    }
    combine(x, coefficient_[stages()], next());
  }
  MatrixView<float> next() { return next_.matrix(rows_, width_); }

  /// The largest row's error of the last step, in units of the tolerance.
  double error(double h, MatrixView<const float> x, double tolerance) {
    set(coefficient_[stages()], error_weights(), h);
    queue_.run(OdeError<float>{x, next(), slopes_.matrix(stages() * rows_, width_), coefficient_[stages()].view(),
                               error_.view(), static_cast<float>(tolerance), static_cast<float>(tolerance)});
    double largest = 0;
    for (const float e : error_.get(queue_)) {
      require(std::isfinite(e), "ODE solver: the slope is not finite");
      largest = std::max(largest, static_cast<double>(e));
    }
    return largest;
  }

 private:
  void set(Buffer<float>& coefficient, const std::vector<double>& weights, double h) {
    std::vector<float> c;
    for (const double w : weights) c.push_back(static_cast<float>(w * h));
    coefficient.set(queue_, c);
  }
  void combine(MatrixView<const float> x, const Buffer<float>& coefficient, MatrixView<float> y) {
    queue_.run(OdeStage<float>{x, slopes_.matrix(stages() * rows_, width_).row_slice(0, coefficient.size() * rows_),
                               coefficient.view(), y});
  }

  Queue& queue_;
  Method method_;
  std::size_t rows_, width_;
  Buffer<float> slopes_, stage_, next_, error_;
  std::vector<Buffer<float>> coefficient_;  // of each stage, and of the result
};

}  // namespace

Solver solver_named(const std::string& name) {
  if (name == "euler") return Solver::euler;
  if (name == "heun") return Solver::heun;
  if (name == "rk4") return Solver::rk4;
  if (name == "dormand-prince") return Solver::dormand_prince;
  throw InputError(text("solver '", name, "' is not known; choose euler, heun, rk4 or dormand-prince"));
}

SolverReport integrate(Queue& queue, MatrixView<float> x, double from, double to, const SolverSettings& settings,
                       const Field& field) {
  SolverReport report;
  if (from == to || x.rows == 0) return report;
  require_input(settings.steps >= 1 && settings.tolerance > 0, "a solver needs at least one step and a tolerance");
  Stepper stepper(queue, settings.solver, x.rows, x.columns);
  auto take = [&] { queue.copy(x.data, stepper.next().data, x.rows * x.columns * sizeof(float)); };
  if (settings.solver != Solver::dormand_prince) {
    const double h = (to - from) / static_cast<double>(settings.steps);
    std::vector<double> times;
    for (std::size_t s = 0; s < settings.steps; ++s)
      stepper.add_times(from + h * static_cast<double>(s), h, false, times);
    field.plan(times);
    stepper.set_length(h);
    auto step = [&] { stepper.step(x, field, false), take(); };
    // The first step sizes the field's memory, the second is captured, the others repeat it.
    std::optional<CapturedWork> captured;
    for (std::size_t s = 0; s < settings.steps; ++s) {
      if (s == 0 || !field.repeats)
        step();
      else if (!captured)
        captured = queue.capture(step);
      else
        captured->run();
    }
    report.accepted = settings.steps, report.evaluations = times.size();
    return report;
  }
  // The last slope of an accepted step is the first of the next one.
  const double direction = to > from ? 1 : -1;
  double t = from, h = (to - from) / 20;
  bool have_first = false;
  while ((to - t) * direction > 1e-12) {
    require(report.accepted + report.rejected < 10000,
            "ODE solver: 10,000 steps do not reach the end; raise the tolerance");
    if ((t + h - to) * direction > 0) h = to - t;
    std::vector<double> times;
    stepper.add_times(t, h, have_first, times);
    field.plan(times);
    stepper.set_length(h);
    stepper.step(x, field, have_first);
    report.evaluations += times.size();
    const double error = stepper.error(h, x, settings.tolerance);
    const double factor = std::clamp(.9 * std::pow(std::max(error, 1e-10), -.2), .2, 5.0);
    if (error <= 1) {
      t += h;
      take();
      queue.copy(stepper.slope(0).data, stepper.slope(stepper.stages() - 1).data, x.rows * x.columns * sizeof(float));
      ++report.accepted;
    } else {
      ++report.rejected;
    }
    have_first = true;  // a rejected step starts from the same slope
    h *= error <= 1 ? factor : std::min(1.0, factor);
  }
  return report;
}

void integrate_traced(std::vector<double>& y, std::vector<double>& trace, double from, double to, std::size_t steps,
                      const std::function<TracedSlope(double, const std::vector<double>&)>& slope) {
  const double h = (to - from) / static_cast<double>(steps);
  for (std::size_t s = 0; s < steps; ++s) {
    const double t = from + h * static_cast<double>(s);
    auto moved = [&](const TracedSlope& k, double by) {
      std::vector<double> z(y);
      for (std::size_t i = 0; i < z.size(); ++i) z[i] += by * k.y[i];
      return z;
    };
    const TracedSlope a = slope(t, y), b = slope(t + h / 2, moved(a, h / 2)), c = slope(t + h / 2, moved(b, h / 2)),
                      d = slope(t + h, moved(c, h));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += h / 6 * (a.y[i] + 2 * b.y[i] + 2 * c.y[i] + d.y[i]);
    for (std::size_t i = 0; i < trace.size(); ++i)
      trace[i] += h / 6 * (a.trace[i] + 2 * b.trace[i] + 2 * c.trace[i] + d.trace[i]);
  }
}

}  // namespace perturbine

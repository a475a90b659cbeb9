#include "models/probability_flow.h"

#include <cmath>

#include "kernels/core/error.h"

namespace perturbine {

std::vector<double> flow_log_likelihood(const std::vector<double>& x, const std::vector<double>& variance,
                                        ScheduleKind schedule, std::size_t steps, const Denoiser& denoiser) {
  require_input(steps >= 1 && steps <= 100000, "a likelihood needs 1 to 100000 steps, not ", steps);
  const std::size_t width = variance.size(), rows = x.size() / width;
  const NoiseLevel low = noise_level(schedule, first_time), high = noise_level(schedule, last_time);
  const double from = std::log(low.sigma / low.alpha), to = std::log(high.sigma / high.alpha);
  // The slopes of y and of the integral of the divergence at one log(rho).
  struct Slope {
    std::vector<double> y, trace;
  };
  auto slope = [&](double log_rho, const std::vector<double>& y) {
    const double rho = std::exp(log_rho), alpha = 1 / std::sqrt(1 + rho * rho);
    std::vector<double> xt(y);
    for (double& v : xt) v *= alpha;
    FlowEstimate e = denoiser(xt, time_of_alpha(schedule, alpha), {alpha, rho * alpha});
    for (std::size_t i = 0; i < y.size(); ++i) e.x0[i] = y[i] - e.x0[i];
    for (double& d : e.divergence) d = static_cast<double>(width) - alpha * d;
    return Slope{std::move(e.x0), std::move(e.divergence)};
  };
  std::vector<double> y(x), trace(rows, 0);
  const double h = (to - from) / static_cast<double>(steps);
  for (std::size_t s = 0; s < steps; ++s) {
    const double u = from + h * static_cast<double>(s);
    auto moved = [&](const Slope& k, double by) {
      std::vector<double> z(y);
      for (std::size_t i = 0; i < z.size(); ++i) z[i] += by * k.y[i];
      return z;
    };
    const Slope a = slope(u, y), b = slope(u + h / 2, moved(a, h / 2)), c = slope(u + h / 2, moved(b, h / 2)),
                d = slope(u + h, moved(c, h));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += h / 6 * (a.y[i] + 2 * b.y[i] + 2 * c.y[i] + d.y[i]);
    for (std::size_t i = 0; i < rows; ++i)
      trace[i] += h / 6 * (a.trace[i] + 2 * b.trace[i] + 2 * c.trace[i] + d.trace[i]);
  }
  std::vector<double> log_p(trace);
  const double rho = std::exp(to);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t k = 0; k < width; ++k) {
      const double v = rho * rho + variance[k];
      log_p[i] -= .5 * (std::log(2 * M_PI * v) + y[i * width + k] * y[i * width + k] / v);
    }
    require(std::isfinite(log_p[i]), "likelihood: the flow of row ", i, " left the finite numbers; take more steps");
  }
  return log_p;
}

}  // namespace perturbine

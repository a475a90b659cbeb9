#include "models/probability_flow.h"

#include <cmath>

#include "kernels/core/error.h"
#include "kernels/core/philox.h"
#include "models/ode_solver.h"

namespace perturbine {

std::vector<float> trace_directions(std::size_t rows, std::size_t width, std::size_t probes, std::uint64_t seed,
                                    std::size_t first) {
  const std::size_t each = probes == 0 ? width : probes;
  std::vector<float> direction(rows * each * width, 0.0f);
  for (std::size_t r = 0; r < rows * each; ++r)
    for (std::size_t k = 0; k < width; ++k)
      direction[r * width + k] = probes == 0 ? (k == r % each ? 1.0f : 0.0f)
                                 : (philox(seed, first * each + r, k / 4).word[k % 4] & 1) != 0 ? 1.0f
                                                                                                : -1.0f;
  return direction;
}

LogLikelihood average_traces(const std::vector<double>& start, const std::vector<double>& trace, std::size_t probes) {
  LogLikelihood out{start, std::vector<double>(start.size(), 0)};
  const double n = static_cast<double>(probes);
  for (std::size_t i = 0; i < start.size(); ++i) {
    double mean = 0, square = 0;
    for (std::size_t p = 0; p < probes; ++p) mean += trace[i * probes + p] / n;
    for (std::size_t p = 0; p < probes; ++p) square += std::pow(trace[i * probes + p] - mean, 2);
    out.value[i] -= mean;
    if (probes > 1) out.standard_error[i] = std::sqrt(square / (n - 1) / n);
    require(std::isfinite(out.value[i]), "likelihood: the flow of row ", i,
            " left the finite numbers; take more steps");
  }
  return out;
}

LogLikelihood probability_flow_log_likelihood(const std::vector<double>& x, const std::vector<double>& variance,
                                              ScheduleKind schedule, std::size_t steps, std::size_t probes,
                                              const Denoiser& denoiser) {
  require_input(steps >= 1 && steps <= 100000, "a likelihood needs 1 to 100000 steps, not ", steps);
  const std::size_t width = variance.size(), rows = x.size() / width;
  const NoiseLevel low = noise_level(schedule, first_time), high = noise_level(schedule, last_time);
  const double from = std::log(low.sigma / low.alpha), to = std::log(high.sigma / high.alpha);
  std::vector<double> y(x), trace(rows * probes, 0);
  integrate_traced(y, trace, from, to, steps, [&](double log_rho, const std::vector<double>& at) {
    const double rho = std::exp(log_rho), alpha = 1 / std::sqrt(1 + rho * rho);
    std::vector<double> xt(at);
    for (double& v : xt) v *= alpha;
    DenoiserEstimate e = denoiser(xt, time_of_alpha(schedule, alpha), {alpha, rho * alpha});
    for (std::size_t i = 0; i < at.size(); ++i) e.x0[i] = at[i] - e.x0[i];
    for (double& d : e.divergence) d = alpha * d - static_cast<double>(width);
    return TracedSlope{std::move(e.x0), std::move(e.divergence)};
  });
  std::vector<double> log_p(rows, 0);
  const double rho = std::exp(to);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < width; ++k) {
      const double v = rho * rho + variance[k];
      log_p[i] -= .5 * (std::log(2 * M_PI * v) + y[i * width + k] * y[i * width + k] / v);
    }
  return average_traces(log_p, trace, probes);
}

}  // namespace perturbine

#include "models/schedule.h"

#include <cmath>

#include "kernels/core/error.h"

namespace perturbine {

NoiseLevel noise_level(ScheduleKind kind, double t) {
  double alpha;
  if (kind == ScheduleKind::cosine) {
    constexpr double s = .008;
    alpha = std::cos(M_PI / 2 * (t + s) / (1 + s)) / std::cos(M_PI / 2 * s / (1 + s));
  } else {
    alpha = std::exp(-.5 * (.1 * t + .5 * (20 - .1) * t * t));
  }
  alpha = std::min(1.0, alpha);
  return {alpha, std::sqrt(std::max(0.0, 1 - alpha * alpha))};
}

double time_of_alpha(ScheduleKind kind, double alpha) {
  if (kind == ScheduleKind::cosine) {
    constexpr double s = .008;
    return (1 + s) * 2 / M_PI * std::acos(std::min(1.0, alpha * std::cos(M_PI / 2 * s / (1 + s)))) - s;
  }
  // .05 t + (20 - .1) / 4 t^2 = -log(alpha)
  const double a = (20 - .1) / 4, b = .05, c = std::log(alpha);
  return (-b + std::sqrt(std::max(0.0, b * b - 4 * a * c))) / (2 * a);
}

double noise_rate(ScheduleKind kind, double t) {
  constexpr double s = .008;
  if (kind == ScheduleKind::cosine) return M_PI / (1 + s) * std::tan(M_PI / 2 * (t + s) / (1 + s));
  return .1 + (20 - .1) * t;
}

std::vector<SamplerStep> sampler_steps(ScheduleKind schedule, SamplerKind sampler, std::size_t steps) {
  require_input(steps >= 1 && steps <= 100000, "the sampler needs 1 to 100000 steps, not ", steps);
  auto time = [&](std::size_t i) {
    return i == steps
               ? 0.0
               : first_time + (last_time - first_time) * (1 - static_cast<double>(i) / static_cast<double>(steps));
  };
  std::vector<SamplerStep> out;
  double last_log_step = 0;
  for (std::size_t i = 0; i < steps; ++i) {
    const double t = time(i), next = time(i + 1);
    const NoiseLevel a = noise_level(schedule, t), b = next > 0 ? noise_level(schedule, next) : NoiseLevel{1, 0};
    SamplerStep s{a, t, {}, false};
    auto ddim = [&](double eta) {
      const double noise =
          eta * b.sigma / a.sigma * std::sqrt(std::max(0.0, 1 - a.alpha * a.alpha / (b.alpha * b.alpha)));
      const double direction = std::sqrt(std::max(0.0, b.sigma * b.sigma - noise * noise));
      s.c[0] = direction / a.sigma;
      s.c[1] = b.alpha - a.alpha * direction / a.sigma;
      s.c[3] = noise;
    };
    switch (sampler) {
      case SamplerKind::ddim:
        ddim(0);
        break;
      case SamplerKind::ancestral:
        ddim(1);
        break;
      case SamplerKind::euler_maruyama: {
        if (next == 0) {
          ddim(0);
          break;
        }
        const double dt = t - next, beta = noise_rate(schedule, t);
        s.c[0] = 1 + .5 * beta * dt - beta * dt / (a.sigma * a.sigma);
        s.c[1] = beta * dt * a.alpha / (a.sigma * a.sigma);
        s.c[3] = std::sqrt(beta * dt);
        break;
      }
      case SamplerKind::heun: {
        ddim(0);
        if (next == 0) break;
        out.push_back(s);
        const double r = a.sigma / a.alpha, q = b.sigma / b.alpha, h = q - r;
        s = {b, next, {}, true};
        s.c[0] = b.alpha / a.alpha * (1 + h / 2 * (1 / r + (1 + h / r) / q));
        s.c[2] = b.alpha * (-h / 2 / r - h / 2 * h / (r * q));
        s.c[1] = b.alpha * (-h / 2 / q);
        break;
      }
      case SamplerKind::dpm_solver: {
        ddim(0);
        if (next == 0) break;
        // The first order step is DDIM; the second order one extrapolates the estimate of x0 in log(alpha / sigma).
        const double h = std::log(b.alpha / b.sigma) - std::log(a.alpha / a.sigma);
        if (i > 0) {
          const double share = h / (2 * last_log_step), scale = -b.alpha * std::expm1(-h);
          s.c[1] = scale * (1 + share);
          s.c[2] = -scale * share;
        }
        last_log_step = h;
        break;
      }
    }
    out.push_back(s);
  }
  return out;
}

SamplerKind sampler_named(const std::string& name) {
  if (name == "ancestral") return SamplerKind::ancestral;
  if (name == "euler-maruyama") return SamplerKind::euler_maruyama;
  if (name == "ddim") return SamplerKind::ddim;
  if (name == "heun") return SamplerKind::heun;
  if (name == "dpm-solver") return SamplerKind::dpm_solver;
  throw InputError(
      text("sampler '", name, "' is not known; choose ancestral, euler-maruyama, ddim, heun or dpm-solver"));
}
ScheduleKind schedule_named(const std::string& name) {
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "linear") return ScheduleKind::linear;
  throw InputError(text("schedule '", name, "' is not known; choose cosine or linear"));
}

}  // namespace perturbine

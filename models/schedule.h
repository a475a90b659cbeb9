// Noise schedules of the VP-SDE dx = -beta(t)/2 x dt + sqrt(beta(t)) dw on t in [0, 1], and the samplers' coefficients.
#pragma once
#include <string>
#include <vector>

namespace perturbine {

enum class ScheduleKind { cosine, linear };
enum class SamplerKind { ancestral, euler_maruyama, ddim, heun, dpm_solver };

struct NoiseLevel {
  double alpha = 1, sigma = 0;
};

/// cosine: alpha = cos(pi/2 (t + s)/(1 + s)) / cos(pi/2 s/(1 + s)), s = .008 (Nichol and Dhariwal, arXiv:2102.09672,
/// eq. 17). linear: beta from .1 to 20 (Song et al., arXiv:2011.13456, appendix C).
NoiseLevel noise_level(ScheduleKind kind, double t);
/// beta(t) = -2 d log(alpha) / dt
double noise_rate(ScheduleKind kind, double t);

/// The time at which the schedule has this alpha: the inverse of noise_level.
double time_of_alpha(ScheduleKind kind, double alpha);
/// The times samplers and likelihoods run between.
inline constexpr double last_time = .999, first_time = 1e-3;

/// One evaluation of the network and the update after it: x' = c0 x + c1 x0 + c2 previous + c3 z; see ReverseStep.
struct SamplerStep {
  NoiseLevel level;  // where the network is evaluated
  double time = 0;
  double c[4] = {0, 0, 0, 0};
  bool from_start = false;  // x is the one the last step started from (second stage of Heun)
};

/// The steps of a sampler from t = 1 to t = 0 with `steps` intervals.
///   ddim         deterministic, Song et al., arXiv:2010.02502, eq. 12 with eta = 0; ancestral is eta = 1
///   euler_maruyama  of the reverse SDE, Song et al., arXiv:2011.13456, eq. 6
///   heun         second order in sigma/alpha, Karras et al., arXiv:2206.00364, algorithm 1
///   dpm_solver   DPM-Solver++ (2M), Lu et al., arXiv:2211.01095, algorithm 2
std::vector<SamplerStep> sampler_steps(ScheduleKind schedule, SamplerKind sampler, std::size_t steps);

SamplerKind sampler_named(const std::string& name);
ScheduleKind schedule_named(const std::string& name);

}  // namespace perturbine

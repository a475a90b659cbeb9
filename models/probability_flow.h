// Log-likelihoods by the probability-flow ODE of the VP-SDE.
#pragma once
#include <functional>
#include <vector>

#include "models/model.h"
#include "models/schedule.h"

namespace perturbine {

/// What the flow asks a denoiser at one noise level, for x_t [rows, width]: the estimate of x0 and the divergence
/// sum_k d x0_k / d x_t,k, [rows, probes]: one exact number a row, or an estimate by each of several random probes.
struct DenoiserEstimate {
  std::vector<double> x0, divergence;
};
using Denoiser = std::function<DenoiserEstimate(const std::vector<double>& xt, double time, const NoiseLevel& level)>;

/// log p(x) of rows [rows, width], x about the mean zero. With y = x_t / alpha and rho = sigma / alpha the ODE is
///   dy / d log(rho) = y - x0(y),   d log p / d log(rho) = -(width - divergence of x0 in y)
/// (Song et al., arXiv:2011.13456, eq. 13 and 39, in the variables of Karras et al., arXiv:2206.00364, eq. 4), solved
/// by `steps` steps of fourth-order Runge-Kutta, even in log(rho), from first_time to last_time, where y is a Gaussian
/// of variance rho^2 + variance. Throws Error if the flow does not stay finite.
LogLikelihood probability_flow_log_likelihood(const std::vector<double>& x, const std::vector<double>& variance,
                                              ScheduleKind schedule, std::size_t steps, std::size_t probes,
                                              const Denoiser& denoiser);

/// The directions of a trace, [rows * (probes or width), width]: a row's unit vectors, or random signs for `probes` of
/// them (Hutchinson); `first` is the number of the first row among all.
std::vector<float> trace_directions(std::size_t rows, std::size_t width, std::size_t probes, std::uint64_t seed,
                                    std::size_t first);

/// `start` minus the mean of each row's traces, [rows, probes], and the standard error of that mean.
LogLikelihood average_traces(const std::vector<double>& start, const std::vector<double>& trace, std::size_t probes);

}  // namespace perturbine

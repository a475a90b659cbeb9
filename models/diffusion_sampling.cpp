// Sampling of the diffusion model by any of its samplers, and its likelihood by the probability-flow ODE.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "kernels/core/philox.h"
#include "kernels/pointwise/pointwise.h"
#include "models/diffusion.h"
#include "models/probability_flow.h"

namespace perturbine {

std::vector<double> Diffusion::shift(Queue& queue, const Query& q) const {
  const std::size_t width = network_width();
  Parameters parameters = parameters_->averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.for_inference();
  const NoiseLevel level = noise_level(schedule_named(options_.schedule), last_time);
  const Buffer<float> modulation = modulations(queue, tape, q, {static_cast<float>(last_time)}, true, true),
                      nothing(queue, std::vector<float>(width, 0)), variance(queue, extended_variance_),
                      alpha(queue, std::vector<float>{static_cast<float>(level.alpha)}),
                      sigma(queue, std::vector<float>{static_cast<float>(level.sigma)});
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0});
  tape.begin_step();
  const MatrixView<float> xt = nothing.matrix(1, width);
  const Var F = network_->forward(tape, tape.constant(xt), tape.constant(modulation.matrix(1, modulation.size())), 0,
                                  offset.view(), 0);
  const MatrixView<float> x0 = arena.matrix<float>(1, width);
  queue.run(Denoise<float>{tape.value(F), xt, alpha.view(), sigma.view(), variance.view(), x0,
                           target_named(options_.target)});
  std::vector<float> z(width);
  queue.read(z.data(), x0.data, width * sizeof(float));
  axis(q).reduce(z.data(), width - 1, z.data());
  z.pop_back();
  return genes_of(std::move(z), q.context);
}

std::vector<float> Diffusion::sample_latent(Queue& queue, const Query& q, std::size_t count, SamplerKind sampler,
                                            std::size_t steps, std::uint64_t seed) const {
  const std::size_t width = network_width();
  const auto plan = sampler_steps(schedule_named(options_.schedule), sampler, steps);
  const Target target = target_named(options_.target);
  Parameters parameters = parameters_->averaged(queue);  // a copy of the handles: several threads may sample one model
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.for_inference();

  // Sets with and without perturbation and context, for guidance.
  const bool guided = options_.guidance_perturbation != 1 || options_.guidance_context != 1;
  // All cells share time, condition and context, and all times are known: the scales and shifts of every step are one
  // product, before the first.
  std::vector<float> times;
  for (const SamplerStep& p : plan) times.push_back(static_cast<float>(p.time));
  const Buffer<float> full = modulations(queue, tape, q, times, true, true),
                      context_alone = guided ? modulations(queue, tape, q, times, false, true) : Buffer<float>(),
                      none_given = guided ? modulations(queue, tape, q, times, false, false) : Buffer<float>();

  std::vector<float> start(count * width), coefficients(plan.size() * 4), alphas, sigmas;
  for (std::size_t i = 0; i < count; ++i) normal_row(seed, 0x57a47, i, start.data() + i * width, width);
  // At t = .999 a little of x0 is left: its Gaussian part belongs to the start.
  const NoiseLevel top = plan.empty() ? NoiseLevel{0, 1} : plan[0].level;
  for (std::size_t i = 0; i < start.size(); ++i)
    start[i] *= static_cast<float>(
        std::sqrt(top.sigma * top.sigma + top.alpha * top.alpha * static_cast<double>(extended_variance_[i % width])));
  for (std::size_t s = 0; s < plan.size(); ++s) {
    for (std::size_t k = 0; k < 4; ++k) coefficients[s * 4 + k] = static_cast<float>(plan[s].c[k]);
    alphas.push_back(static_cast<float>(plan[s].level.alpha));
    sigmas.push_back(static_cast<float>(plan[s].level.sigma));
  }
  const Buffer<float> x(queue, start), base(queue, start), previous(queue, start), alpha(queue, count),
      sigma(queue, count), variance(queue, extended_variance_), table(queue, coefficients), alpha_of(queue, alphas),
      sigma_of(queue, sigmas);
  // The step, once a cell: what a step needs of the tables is gathered by it.
  const Buffer<std::int32_t> step(queue, std::vector<std::int32_t>(count, 0));
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0x9000});
  const VectorView<const std::int32_t> now{step.view().data, 1};
  const MatrixView<float> xs = x.matrix(count, width);

  const auto estimate = [&](const Buffer<float>& modulations_of) {
    const std::size_t columns = modulations_of.size() / plan.size();
    const MatrixView<float> row = arena.matrix<float>(1, columns);
    queue.run(GatherRows<float>{modulations_of.matrix(plan.size(), columns), now, row});
    const Var F = network_->forward(tape, tape.constant(xs), tape.constant(row), 0, offset.view(), seed);
    const MatrixView<float> out = tape.value(F);
    queue.run(Denoise<float>{out, xs, alpha.view(), sigma.view(), variance.view(), out, target});
    return out;
  };
  const auto take_step = [&](bool from_start) {
    tape.begin_step();
    queue.run(GatherRows<float>{alpha_of.matrix(plan.size(), 1), step.view(), alpha.matrix(count, 1)});
    queue.run(GatherRows<float>{sigma_of.matrix(plan.size(), 1), step.view(), sigma.matrix(count, 1)});
    const MatrixView<float> x0 = estimate(full);
    if (guided) {
      const MatrixView<float> context_only = estimate(context_alone), none = estimate(none_given);
      queue.run(Guidance<float>{none, context_only, x0, x0, static_cast<float>(options_.guidance_context),
                                static_cast<float>(options_.guidance_perturbation)});
    }
    const MatrixView<float> from = from_start ? base.matrix(count, width) : xs;
    if (!from_start) queue.copy(base.view().data, xs.data, count * width * sizeof(float));
    queue.run(ReverseStep<float>{from, x0, previous.matrix(count, width), table.matrix(plan.size(), 4), now,
                                 offset.view(), xs, seed});
    queue.copy(previous.view().data, x0.data, count * width * sizeof(float));
    queue.run(Advance<std::int32_t>{step.view()});
  };
  // The first step sizes the arena, the next of each kind is captured, the others repeat it.
  std::array<std::optional<CapturedWork>, 2> captured;
  for (std::size_t s = 0; s < plan.size(); ++s) {
    std::optional<CapturedWork>& work = captured[plan[s].from_start ? 1 : 0];
    if (s == 0)
      take_step(plan[s].from_start);
    else if (!work)
      work = queue.capture([&, from_start = plan[s].from_start] { take_step(from_start); });
    else
      work->run();
  }
  const std::vector<float> extended = x.get(queue);
  std::vector<float> latent(count * (width - 1));
  const ResponseAxis along = axis(q);
  for (std::size_t i = 0; i < count; ++i)
    along.reduce(extended.data() + i * width, width - 1, latent.data() + i * (width - 1));
  for (float& v : latent) v /= static_cast<float>(scale_);
  backbone_->frames().leave(q.context, latent);
  return latent;
}

LogLikelihood Diffusion::log_likelihood(Queue& queue, const Query& q, const std::vector<float>& expression,
                                        const LikelihoodOptions& o) const {
  const std::size_t G = backbone_->data().genes, K = width(), cells = expression.size() / G;
  const auto mean = centre(q);  // what the network's residuals are about
  std::vector<float> residual = backbone_->residuals_about(expression, mean, q.context);
  for (float& v : residual) v *= static_cast<float>(scale_);
  // The density of the residuals is that of the extended coordinates integrated over the fill, a unit normal: three
  // nodes of Gauss and Hermite.
  constexpr double node[] = {-1.7320508, 0, 1.7320508}, weight[] = {1. / 6, 2. / 3, 1. / 6};
  const ResponseAxis along = axis(q);
  std::vector<LogLikelihood> at;
  for (const double fill : node) {
    std::vector<float> extended(cells * (K + 1));
    for (std::size_t i = 0; i < cells; ++i)
      along.extend(residual.data() + i * K, K, static_cast<float>(fill), extended.data() + i * (K + 1));
    at.push_back(extended_log_likelihood(queue, q, extended, o));
    for (double& l : at.back().value) l += .5 * fill * fill + .5 * std::log(2 * M_PI);
  }
  LogLikelihood log_p{std::vector<double>(cells), std::vector<double>(cells, 0)};
  for (std::size_t i = 0; i < cells; ++i) {
    const double top = std::max({at[0].value[i], at[1].value[i], at[2].value[i]});
    double sum = 0, variance = 0;
    for (std::size_t j = 0; j < 3; ++j) sum += weight[j] * std::exp(at[j].value[i] - top);
    for (std::size_t j = 0; j < 3; ++j) {
      const double share = weight[j] * std::exp(at[j].value[i] - top) / sum;
      variance += std::pow(share * at[j].standard_error[i], 2);
    }
    // Of the unscaled coordinates, in no frame.
    log_p.value[i] =
        top + std::log(sum) + static_cast<double>(K) * std::log(scale_) + backbone_->frames().log_volume(q.context);
    log_p.standard_error[i] = std::sqrt(variance);
  }
  return log_p;
}

LogLikelihood Diffusion::extended_log_likelihood(Queue& queue, const Query& q, const std::vector<float>& extended,
                                                 const LikelihoodOptions& o) const {
  const std::size_t width = network_width(), cells = extended.size() / width;
  Parameters parameters = parameters_->averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.freeze_parameters();
  const Target target = target_named(options_.target);
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0x9000});
  const std::size_t directions = o.probes == 0 ? width : o.probes;
  const std::size_t at_once = std::max<std::size_t>(1, 4096 / directions);
  const std::vector<double> prior(extended_variance_.begin(), extended_variance_.end());
  LogLikelihood log_p;
  for (std::size_t first = 0; first < cells; first += at_once) {
    const std::size_t n = std::min(at_once, cells - first), rows = n * directions;
    const std::vector<double> x(extended.begin() + static_cast<std::ptrdiff_t>(first * width),
                                extended.begin() + static_cast<std::ptrdiff_t>((first + n) * width));
    const std::vector<float> direction = trace_directions(n, width, o.probes, o.seed, first);
    const Buffer<float> variance(queue, extended_variance_), zeros(queue, std::vector<float>(rows * width, 0)),
        along(queue, direction);
    Buffer<float> input(queue, rows * width), alpha(queue, rows), sigma(queue, rows), cotangent(queue, rows * width),
        keep(queue, rows * width);
    const auto denoise = [&](const std::vector<double>& xt, double time, const NoiseLevel& level) {
      std::vector<float> tiled(rows * width);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < width; ++k)
          tiled[r * width + k] = static_cast<float>(xt[r / directions * width + k]);
      input.set(queue, tiled);
      alpha.set(queue, std::vector<float>(rows, static_cast<float>(level.alpha)));
      sigma.set(queue, std::vector<float>(rows, static_cast<float>(level.sigma)));
      const Buffer<float> modulation =
          modulations(queue, tape, q, {static_cast<float>(std::clamp(time, first_time, last_time))}, true, true);
      tape.begin_step();
      const auto full = [&](const Buffer<float>& b) { return b.matrix(rows, width); };
      const Var in = tape.input(full(input));
      const Var F =
          network_->forward(tape, in, tape.constant(modulation.matrix(1, modulation.size())), 0, offset.view(), 0);
      // x0 = a x + b F, coordinate by coordinate: the direction through b is what goes back through the network, the
      // direction through a comes on top.
      queue.run(Denoise<float>{full(along), full(zeros), alpha.view(), sigma.view(), variance.view(), full(cotangent),
                               target});
      queue.run(
          Denoise<float>{full(zeros), full(along), alpha.view(), sigma.view(), variance.view(), full(keep), target});
      const MatrixView<float> x0 = arena.matrix<float>(rows, width);
      queue.run(Denoise<float>{tape.value(F), full(input), alpha.view(), sigma.view(), variance.view(), x0, target});
      tape.seed_gradient(F, full(cotangent));
      tape.backward();
      std::vector<float> gradient(rows * width), estimate(rows * width);
      queue.read(gradient.data(), tape.gradient(in).data, gradient.size() * sizeof(float));
      queue.read(estimate.data(), x0.data, estimate.size() * sizeof(float));
      const std::vector<float> kept = keep.get(queue);
      DenoiserEstimate e{std::vector<double>(n * width),
                         std::vector<double>(n * std::max<std::size_t>(1, o.probes), 0)};
      for (std::size_t r = 0; r < rows; ++r) {
        double sum = 0;
        for (std::size_t k = 0; k < width; ++k) {
          const std::size_t at = r * width + k;
          sum +=
              static_cast<double>(direction[at]) * (static_cast<double>(gradient[at]) + static_cast<double>(kept[at]));
          if (r % directions == 0) e.x0[r / directions * width + k] = static_cast<double>(estimate[at]);
        }
        e.divergence[o.probes == 0 ? r / directions : r] += sum;
      }
      return e;
    };
    const auto part = probability_flow_log_likelihood(x, prior, schedule_named(options_.schedule), o.steps,
                                                      std::max<std::size_t>(1, o.probes), denoise);
    log_p.value.insert(log_p.value.end(), part.value.begin(), part.value.end());
    log_p.standard_error.insert(log_p.standard_error.end(), part.standard_error.begin(), part.standard_error.end());
  }
  return log_p;
}

}  // namespace perturbine

// Sampling, inverse and likelihood of the flow.
#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/diffusion/diffusion.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/random/random.h"
#include "kernels/transport/ode.h"
#include "kernels/transport/path.h"
#include "models/flow.h"
#include "models/probability_flow.h"

namespace perturbine {

SolverSettings Flow::solver() const {
  // The direct objective is one step, learned at time 0.
  if (options_.objective == "transport") return {Solver::euler, 1, 1};
  return {solver_named(options_.solver), options_.solver_steps, options_.tolerance};
}

Flow::Start Flow::start(const Query& q, std::size_t count, std::uint64_t seed) const {
  const std::vector<std::size_t>& pool = controls_[q.context];
  const std::size_t K = width();
  Start s;
  std::vector<std::uint32_t> order(pool.size());
  std::vector<std::size_t> cells;
  std::vector<float> noise(K);
  for (std::size_t i = 0; i < count; ++i) {
    if (i % pool.size() == 0) random_permutation(seed, 0xf57a + i, order.data(), order.size());
    const std::size_t cell = pool[order[i % pool.size()]];
    cells.push_back(cell);
    const float* z = residuals_.data() + cell * K;
    s.residuals.insert(s.residuals.end(), z, z + K);
    if (i < pool.size()) continue;
    normal_row(seed, 0x5300d, i, noise.data(), K);
    smooth(bases_[q.context], z, noise.data(), s.residuals.data() + i * K);
  }
  s.library_size = backbone_->moved_library_sizes(cells, q);
  return s;
}

std::vector<float> Flow::carry(Queue& queue, const Query& q, const std::vector<float>& residuals, double from,
                               double to, const SolverSettings& settings, SolverReport* report) const {
  const std::size_t K = width(), rows = residuals.size() / K;
  Parameters parameters = parameters_->averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.for_inference();
  const bool guided = options_.guidance_perturbation != 1 || options_.guidance_context != 1;
  const std::size_t guiding = guided ? rows * K : 0;
  const Buffer<float> x(queue, residuals), variance(queue, variance_), covariance(queue, end_covariance()),
      context_only(queue, guiding), none(queue, guiding), now(queue, 1);
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0});
  // Of the planned evaluations: times, and scales and shifts with and without perturbation and context. Which of them
  // is the next is counted on the device.
  Buffer<float> times, of_both, of_context, of_none;
  Buffer<std::int32_t> next(queue, 1);
  Field field;
  field.plan = [&](const std::vector<double>& planned) {
    const std::vector<float> at(planned.begin(), planned.end());
    times = Buffer<float>(queue, at);
    of_both = modulations(queue, tape, q, at, true, true);
    if (guided)
      of_context = modulations(queue, tape, q, at, false, true),
      of_none = modulations(queue, tape, q, at, false, false);
    next.set(queue, {0});
  };
  field.evaluate = [&](MatrixView<const float> at, MatrixView<float> slope) {
    const std::size_t planned = times.size();
    queue.run(GatherRows<float>{times.matrix(planned, 1), next.view(), now.matrix(1, 1)});
    auto velocity = [&](const Buffer<float>& modulation, MatrixView<float> out) {
      tape.begin_step();
      const MatrixView<float> row = arena.matrix<float>(1, modulation.size() / planned);
      queue.run(GatherRows<float>{modulation.matrix(planned, row.columns), next.view(), row});
      const Var F = network_->forward(tape, tape.constant(at), tape.constant(row), 0, offset.view(), 0);
      queue.run(GaussianVelocity<float>{tape.value(F), at, variance.view(), covariance.view(), now.view(), out,
                                        static_cast<float>(options_.spread), static_cast<float>(share_)});
    };
    velocity(of_both, slope);
    if (guided) {
      velocity(of_context, context_only.matrix(rows, K)), velocity(of_none, none.matrix(rows, K));
      queue.run(Guidance<float>{none.matrix(rows, K), context_only.matrix(rows, K), slope, slope,
                                static_cast<float>(options_.guidance_context),
                                static_cast<float>(options_.guidance_perturbation)});
    }
    queue.run(Advance<std::int32_t>{next.view()});
  };
  const SolverReport done = integrate(queue, x.matrix(rows, K), from, to, settings, field);
  if (report != nullptr) *report = done;
  return x.get(queue);
}

GeneratedCells Flow::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  // What a flow learns between two times are the paths of coupled cells: here they are themselves, in counts.
  if (q.between) return backbone_->times().cells(data(), q, count, seed);
  const Start s = start(q, count, seed);
  // Control cells need no flow.
  auto latent = q.condition.is_control() ? s.residuals : carry(queue, q, s.residuals, 0, 1, solver());
  for (float& v : latent) v /= static_cast<float>(scale_);
  return backbone_->decode(queue, predict_mean(queue, q), latent, s.library_size, seed);
}

void Flow::smooth(const Base& base, const float* cell, const float* noise, float* x) const {
  const double h = base.bandwidth;
  for (std::size_t k = 0; k < width(); ++k)
    x[k] = static_cast<float>(std::sqrt(1 - h * h) * static_cast<double>(cell[k]) +
                              h * std::sqrt(base.variance[k]) * static_cast<double>(noise[k]));
}

double Flow::log_density(const Base& base, const double* z, std::ptrdiff_t leave_out) const {
  const std::size_t K = width();
  const double h = base.bandwidth, centre = std::sqrt(1 - h * h);
  std::vector<double> inverse(K);
  double constant = 0;
  for (std::size_t k = 0; k < K; ++k) {
    const double v = h * h * base.variance[k];
    inverse[k] = 1 / v;
    constant -= .5 * std::log(2 * M_PI * v);
  }
  double largest = -1e300;
  std::vector<double> terms;
  for (std::size_t c = 0; c < base.cells.size(); ++c) {
    if (static_cast<std::ptrdiff_t>(c) == leave_out) continue;
    const float* x = residuals_.data() + base.cells[c] * K;
    double square = 0;
    for (std::size_t k = 0; k < K; ++k) {
      const double d = z[k] - centre * static_cast<double>(x[k]);
      square += d * d * inverse[k];
    }
    terms.push_back(constant - .5 * square);
    largest = std::max(largest, terms.back());
  }
  double sum = 0;
  for (const double t : terms) sum += std::exp(t - largest);
  return largest + std::log(sum / static_cast<double>(terms.size()));
}

Flow::Base Flow::fit_base(std::size_t context) const {
  const std::size_t K = width();
  Base b;
  b.cells = controls_[context];
  b.variance.assign(K, 0);
  for (const std::size_t cell : b.cells)
    for (std::size_t k = 0; k < K; ++k)
      b.variance[k] += std::pow(static_cast<double>(residuals_[cell * K + k]), 2) / static_cast<double>(b.cells.size());
  for (double& v : b.variance) v = std::max(v, 1e-8);
  if (b.cells.size() < 2) return b;
  Base some = b;
  const std::size_t n = std::min<std::size_t>(200, b.cells.size());
  for (std::size_t i = 0; i < n; ++i) some.cells[i] = b.cells[i * b.cells.size() / n];
  some.cells.resize(n);
  double best = -1e300;
  for (int tenth = 1; tenth <= 10; ++tenth) {
    some.bandwidth = tenth / 10.0;
    double sum = 0;
    for (std::size_t c = 0; c < n; ++c) {
      const float* x = residuals_.data() + some.cells[c] * K;
      const std::vector<double> z(x, x + K);
      sum += log_density(some, z.data(), static_cast<std::ptrdiff_t>(c));
    }
    if (sum > best) best = sum, b.bandwidth = some.bandwidth;
  }
  return b;
}

LogLikelihood Flow::log_likelihood(Queue& queue, const Query& q, const std::vector<float>& expression,
                                   const LikelihoodOptions& o) const {
  const std::size_t G = data().genes, K = width(), cells = expression.size() / G;
  require_input(o.steps >= 1 && o.steps <= 100000, "a likelihood needs 1 to 100000 steps, not ", o.steps);
  require_input(options_.objective == "flow-matching",
                "objective transport gives a map of one step, not a flow: it has "
                "no likelihood");
  const auto mean = backbone_->mean(q);
  const std::vector<float> residual = backbone_->space().coordinates(about_mean(expression, mean), cells);
  const Base& base = bases_[q.context];

  Parameters parameters = parameters_->averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.freeze_parameters();
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0});
  const std::size_t directions = o.probes == 0 ? K : o.probes, probes = std::max<std::size_t>(1, o.probes);
  const std::size_t at_once = std::max<std::size_t>(1, 4096 / directions);
  LogLikelihood all;
  for (std::size_t first = 0; first < cells; first += at_once) {
    const std::size_t n = std::min(at_once, cells - first), rows = n * directions;
    std::vector<double> x;
    for (std::size_t i = first * K; i < (first + n) * K; ++i) x.push_back(static_cast<double>(residual[i]) * scale_);
    const std::vector<float> direction = trace_directions(n, K, o.probes, o.seed, first);
    const Buffer<float> along(queue, direction);
    Buffer<float> input(queue, rows * K), trace(queue, n * probes);
    const auto slope = [&](double t, const std::vector<double>& at) {
      std::vector<float> tiled(rows * K);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < K; ++k) tiled[r * K + k] = static_cast<float>(at[r / directions * K + k]);
      input.set(queue, tiled);
      const Buffer<float> modulation = modulations(queue, tape, q, {static_cast<float>(t)}, true, true);
      tape.begin_step();
      const Var in = tape.input(input.matrix(rows, K));
      const Var F =
          network_->forward(tape, in, tape.constant(modulation.matrix(1, modulation.size())), 0, offset.view(), 0);
      std::vector<float> velocity(rows * K);
      queue.read(velocity.data(), tape.value(F).data, velocity.size() * sizeof(float));
      tape.seed_gradient(F, along.matrix(rows, K));
      tape.backward();
      queue.run(TraceEstimate<float>{along.matrix(rows, K), tape.gradient(in), trace.view(),
                                     o.probes == 0 ? directions : 1, static_cast<float>(share_)});
      const std::vector<float> traces = trace.get(queue);
      TracedSlope s{std::vector<double>(n * K), {traces.begin(), traces.end()}};
      double gains = 0;  // the trace of the Gaussian's part
      for (std::size_t k = 0; k < K; ++k) {
        const double gain = formulas::gaussian_path_gain(t, static_cast<double>(variance_[k]),
                                                         static_cast<double>(end_covariance()[k]), options_.spread);
        gains += gain;
        for (std::size_t i = 0; i < n; ++i)
          s.y[i * K + k] = share_ * static_cast<double>(velocity[i * directions * K + k]) + gain * at[i * K + k];
      }
      for (double& v : s.trace) v += gains;
      return s;
    };
    // Backwards: the integral from 1 to 0 is minus the one along the flow.
    std::vector<double> integral(n * probes, 0), log_p(n);
    integrate_traced(x, integral, 1, 0, o.steps, slope);
    for (double& v : integral) v = -v;
    for (std::size_t i = 0; i < n; ++i)
      log_p[i] = log_density(base, x.data() + i * K) + static_cast<double>(K) * std::log(scale_);
    const LogLikelihood part = average_traces(log_p, integral, probes);
    all.value.insert(all.value.end(), part.value.begin(), part.value.end());
    all.standard_error.insert(all.standard_error.end(), part.standard_error.begin(), part.standard_error.end());
  }
  return all;
}

}  // namespace perturbine

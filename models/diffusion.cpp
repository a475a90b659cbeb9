#include "models/diffusion.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

Target target_named(const std::string& name) {
  if (name == "x0") return Target::x0;
  if (name == "v") return Target::v;
  if (name == "epsilon") return Target::epsilon;
  if (name == "score") return Target::score;
  throw InputError(text("target '", name, "' is not known; choose x0, v, epsilon or score"));
}

// One batch on the device: fixed capacity, the same addresses every step.
struct DeviceBatch {
  Buffer<float> x0, time, alpha, sigma, weight, row_weight, set_weight, context_weight;
  Buffer<std::int32_t> offsets, index, member_row, context_offsets, context_index, context_row;
  Buffer<std::uint64_t> draw;
  DeviceBatch(Queue& q, std::size_t rows, std::size_t width, std::size_t members)
      : x0(q, rows * width),
        time(q, rows),
        alpha(q, rows),
        sigma(q, rows),
        weight(q, rows),
        row_weight(q, rows),
        set_weight(q, members),
        context_weight(q, rows),
        offsets(q, rows + 1),
        index(q, members),
        member_row(q, members),
        context_offsets(q, rows + 1),
        context_index(q, rows),
        context_row(q, rows),
        draw(q, 1) {}
};

// The sets of perturbations of a batch, padded to a fixed number of members: padding has index -1 and weight 0.
struct HostSets {
  std::vector<std::int32_t> offsets{0}, index, row;
  std::vector<float> weight;
  void add(std::int32_t i, float w) {
    index.push_back(i);
    weight.push_back(w);
    row.push_back(static_cast<std::int32_t>(offsets.size()) - 1);
  }
  void end_row() { offsets.push_back(static_cast<std::int32_t>(index.size())); }
  void pad(std::size_t members) {
    index.resize(members, 1 << 30);
    weight.resize(members, 0);
    row.resize(members, 0);
  }
};

struct DeviceSets {
  Buffer<std::int32_t> offsets, index, row;
  Buffer<float> weight;
  DeviceSets(Queue& queue, const HostSets& h)
      : offsets(queue, h.offsets), index(queue, h.index), row(queue, h.row), weight(queue, h.weight) {}
  ops::Sets view() const { return {offsets.view(), index.view(), row.view(), weight.view()}; }
};

}  // namespace

void Diffusion::prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options) {
  options_ = options;
  target_named(options.target);
  backbone_.fit(queue, data, options, {});
  perturbation_number_.clear();
  for (const auto& c : data.conditions)
    for (const auto& p : c.parts)
      perturbation_number_.emplace(p.name, static_cast<std::int32_t>(perturbation_number_.size()));
  const auto& variance = backbone_.space().residual_variance;
  double total = 0;
  for (const double v : variance) total += v / static_cast<double>(variance.size());
  scale_ = 1 / std::sqrt(total);
  variance_.clear();
  for (const double v : variance) variance_.push_back(static_cast<float>(v * scale_ * scale_));
  parameters_ = std::make_unique<Parameters>();
  network_ = std::make_unique<ScoreNetwork>(*parameters_,
                                            ScoreNetworkSizes{variance_.size(), options.hidden, options.blocks,
                                                              perturbation_number_.size(), data.contexts.size(), 64},
                                            options.penalty);
  parameters_->allocate(queue, options.seed);
  // The frozen time frequencies: 1 to 1000 in equal ratios.
  std::vector<float> values = parameters_->values().get(queue);
  for (std::size_t k = 0; k < 32; ++k) values[k] = std::exp(std::log(1000.0f) * static_cast<float>(k) / 31);
  parameters_->set_values(queue, values);
  parameters_->average().set(queue, values);
  step_ = 0;
}

void Diffusion::set_state(Queue& queue, const State& s) {
  require_input(s.value.size() == parameters_->size(),
                "the checkpoint's network has another size than this configuration gives");
  parameters_->set_values(queue, s.value);
  parameters_->first_moment().set(queue, s.first_moment);
  parameters_->second_moment().set(queue, s.second_moment);
  parameters_->average().set(queue, s.average);
  step_ = s.step;
}

Diffusion::State Diffusion::state(Queue& queue) const {
  return {step_, parameters_->values().get(queue), parameters_->first_moment().get(queue),
          parameters_->second_moment().get(queue), parameters_->average().get(queue)};
}

void Diffusion::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
                    const ProgressCallback& progress) {
  prepare(queue, data, options);
  train(queue, progress);
}

void Diffusion::train(Queue& queue, const ProgressCallback& progress) {
  const TrainingData& data = backbone_.data();
  const std::size_t rows = options_.batch_size, width = variance_.size();
  std::size_t most_parts = 1;
  for (const auto& c : data.conditions) most_parts = std::max(most_parts, c.parts.size());
  const std::size_t members = rows * most_parts;
  // Cells by condition: conditions are drawn equally often.
  std::vector<std::vector<std::size_t>> cells(data.conditions.size());
  for (std::size_t i = 0; i < data.cells(); ++i) cells[static_cast<std::size_t>(data.condition[i])].push_back(i);
  std::vector<std::size_t> drawable;
  for (std::size_t c = 0; c < cells.size(); ++c)
    if (!cells[c].empty()) drawable.push_back(c);

  DeviceBatch batch(queue, rows, width, members);
  batch.weight.set(queue, std::vector<float>(rows, 1.0f));
  batch.row_weight.set(queue, std::vector<float>(rows, 1.0f / static_cast<float>(rows)));
  const Buffer<float> variance(queue, variance_);
  const Target target = target_named(options_.target);
  const ScheduleKind schedule = schedule_named(options_.schedule);
  Optimiser optimiser(queue, *parameters_,
                      {.rate = options_.rate, .decay = options_.decay, .average_decay = options_.average_decay});
  Arena arena(queue);
  Tape tape(arena, *parameters_);
  VectorView<float> loss;

  auto launches = [&] {
    tape.begin_step();
    const MatrixView<float> x0 = batch.x0.matrix(rows, width), xt = arena.matrix<float>(rows, width);
    queue.run(DiffusionNoise<float>{x0, batch.alpha.view(), batch.sigma.view(), batch.draw.view(), xt, options_.seed});
    const ScoreNetwork::Condition condition{
        batch.time.view(),
        {batch.offsets.view(), batch.index.view(), batch.member_row.view(), batch.set_weight.view()},
        {batch.context_offsets.view(), batch.context_index.view(), batch.context_row.view(),
         batch.context_weight.view()}};
    const Var F = network_->forward(tape, tape.constant(xt), network_->modulation(tape, condition), options_.dropout,
                                    batch.draw.view(), options_.seed);
    loss = ops::diffusion_loss(tape, F,
                               {x0, batch.alpha.view(), batch.sigma.view(), batch.weight.view(), variance.view(),
                                batch.draw.view(), target, options_.seed},
                               batch.row_weight.view());
    tape.backward();
    optimiser.apply(queue);
  };

  const auto start = std::chrono::steady_clock::now();
  const std::size_t first = step_;
  CapturedWork captured;
  for (; step_ < options_.steps; ++step_) {
    // Everything random of a step follows from (seed, step): a resumed run draws what an uninterrupted one would.
    std::vector<float> x0(rows * width), time(rows), alpha(rows), sigma(rows);
    HostSets sets, contexts;
    for (std::size_t i = 0; i < rows; ++i) {
      const PhiloxWords w = philox(options_.seed ^ 0xba7c4ull, step_, i),
                        v = philox(options_.seed ^ 0xba7c4ull, step_, i + (1ull << 32));
      auto below = [](std::uint32_t word, std::size_t n) {
        return static_cast<std::size_t>((std::uint64_t{word} * n) >> 32);
      };
      const auto& pool = cells[drawable[below(w.word[0], drawable.size())]];
      const std::size_t cell = pool[below(w.word[1], pool.size())];
      for (std::size_t k = 0; k < width; ++k)
        x0[i * width + k] = static_cast<float>(scale_) * backbone_.residuals()[cell * width + k];
      // Stratified over the batch: every step sees all noise levels.
      const float t = (static_cast<float>(i) + uniform(w.word[2])) / static_cast<float>(rows);
      time[i] = std::clamp(t, 1e-3f, .999f);
      const NoiseLevel level = noise_level(schedule, static_cast<double>(time[i]));
      alpha[i] = static_cast<float>(level.alpha), sigma[i] = static_cast<float>(level.sigma);
      if (uniform(w.word[3]) > options_.drop_perturbation)
        for (const auto& p : data.conditions[static_cast<std::size_t>(data.condition[cell])].parts)
          sets.add(perturbation_number_.at(p.name), static_cast<float>(p.weight));
      sets.end_row();
      if (uniform(v.word[0]) > options_.drop_context) contexts.add(data.context[cell], 1);
      contexts.end_row();
    }
    sets.pad(members);
    contexts.pad(rows);
    batch.x0.set(queue, x0), batch.time.set(queue, time), batch.alpha.set(queue, alpha), batch.sigma.set(queue, sigma);
    batch.offsets.set(queue, sets.offsets), batch.index.set(queue, sets.index), batch.member_row.set(queue, sets.row),
        batch.set_weight.set(queue, sets.weight);
    batch.context_offsets.set(queue, contexts.offsets), batch.context_index.set(queue, contexts.index),
        batch.context_row.set(queue, contexts.row), batch.context_weight.set(queue, contexts.weight);
    batch.draw.set(queue, {step_});
    const double progress_share = static_cast<double>(step_) / static_cast<double>(options_.steps);
    const double rate = static_cast<double>(options_.rate) * std::min(1.0, static_cast<double>(step_ + 1) / 50) * .5 *
                        (1 + std::cos(M_PI * progress_share));
    optimiser.prepare(queue, step_ + 1, static_cast<float>(rate));
    // The first step sizes the arena, the second captures, the others replay.
    if (step_ - first == 1)
      captured = queue.capture(launches);
    else if (step_ == first)
      launches();
    else
      captured.run();
    peak_memory_ = arena.peak();
    const bool last = step_ + 1 == options_.steps;
    if (progress && (last || (step_ + 1) % 50 == 0)) {
      std::vector<float> rows_loss(rows);
      queue.read(rows_loss.data(), loss.data, rows * sizeof(float));
      double sum = 0;
      for (const float l : rows_loss) sum += static_cast<double>(l) / static_cast<double>(rows);
      require(std::isfinite(sum), "training: the loss is not finite at step ", step_ + 1,
              "; lower the learning rate, or run with --check-finite to find the operation");
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (!progress({step_ + 1, options_.steps, sum, rate, seconds,
                     static_cast<double>((step_ + 1 - first) * rows) / seconds})) {
        ++step_;
        return;
      }
    }
  }
}

std::vector<float> Diffusion::sample_latent(Queue& queue, const Query& q, std::size_t count, SamplerKind sampler,
                                            std::size_t steps, std::uint64_t seed) const {
  const std::size_t width = variance_.size();
  const auto plan = sampler_steps(schedule_named(options_.schedule), sampler, steps);
  const Target target = target_named(options_.target);
  Parameters parameters = parameters_->averaged();  // a copy of the handles: several threads may sample one model
  Arena arena(queue);
  Tape tape(arena, parameters);

  // Sets with and without perturbation and context, for guidance.
  const bool guided = options_.guidance_perturbation != 1 || options_.guidance_context != 1;
  // All cells share time, condition and context, and all times are known: the scales and shifts of every step are one
  // product, before the first.
  std::vector<float> times;
  for (const SamplerStep& p : plan) times.push_back(static_cast<float>(p.time));
  const Buffer<float> time(queue, times);
  auto modulations = [&](bool perturbed, bool in_context) {
    HostSets perturbations, contexts;
    for (std::size_t s = 0; s < plan.size(); ++s) {
      if (perturbed)
        for (const auto& p : q.condition.parts)
          if (const auto found = perturbation_number_.find(p.name); found != perturbation_number_.end())
            perturbations.add(found->second, static_cast<float>(p.weight));
      if (in_context) contexts.add(static_cast<std::int32_t>(q.context), 1);
      perturbations.end_row(), contexts.end_row();
    }
    const DeviceSets on_device(queue, perturbations), contexts_on_device(queue, contexts);
    tape.begin_step();
    const MatrixView<float> m =
        tape.value(network_->modulation(tape, {time.view(), on_device.view(), contexts_on_device.view()}));
    Buffer<float> kept(queue, m.rows * m.columns);
    queue.copy(kept.view().data, m.data, m.rows * m.columns * sizeof(float));
    queue.synchronise();  // the sets go away
    return kept;
  };
  const Buffer<float> full = modulations(true, true),
                      context_alone = guided ? modulations(false, true) : Buffer<float>(),
                      none_given = guided ? modulations(false, false) : Buffer<float>();

  std::vector<float> start(count * width), coefficients(plan.size() * 4);
  for (std::size_t i = 0; i < count; ++i) normal_row(seed, 0x57a47, i, start.data() + i * width, width);
  // At t = .999 a little of x0 is left: its Gaussian part belongs to the start.
  const NoiseLevel top = plan.empty() ? NoiseLevel{0, 1} : plan[0].level;
  for (std::size_t i = 0; i < start.size(); ++i)
    start[i] *= static_cast<float>(
        std::sqrt(top.sigma * top.sigma + top.alpha * top.alpha * static_cast<double>(variance_[i % width])));
  for (std::size_t s = 0; s < plan.size(); ++s)
    for (std::size_t k = 0; k < 4; ++k) coefficients[s * 4 + k] = static_cast<float>(plan[s].c[k]);
  Buffer<float> x(queue, start), base(queue, start), previous(queue, start), alpha(queue, count), sigma(queue, count);
  const Buffer<float> variance(queue, variance_), table(queue, coefficients);
  Buffer<std::int32_t> step(queue, 1);
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0x9000});

  for (std::size_t s = 0; s < plan.size(); ++s) {
    const SamplerStep& p = plan[s];
    alpha.set(queue, std::vector<float>(count, static_cast<float>(p.level.alpha)));
    sigma.set(queue, std::vector<float>(count, static_cast<float>(p.level.sigma)));
    step.set(queue, {static_cast<std::int32_t>(s)});
    tape.begin_step();
    const MatrixView<float> xs = x.matrix(count, width);
    const auto estimate = [&](const Buffer<float>& modulation) {
      const std::size_t columns = modulation.size() / plan.size();
      const Var row = tape.constant(modulation.matrix(plan.size(), columns).row_slice(s, 1));
      const Var F = network_->forward(tape, tape.constant(xs), row, 0, offset.view(), seed);
      const MatrixView<float> out = tape.value(F);
      queue.run(Denoise<float>{out, xs, alpha.view(), sigma.view(), variance.view(), out, target});
      return out;
    };
    const MatrixView<float> x0 = estimate(full);
    if (guided) {
      const MatrixView<float> context_only = estimate(context_alone), none = estimate(none_given);
      queue.run(Guidance<float>{none, context_only, x0, x0, static_cast<float>(options_.guidance_context),
                                static_cast<float>(options_.guidance_perturbation)});
    }
    const MatrixView<float> from = p.from_start ? base.matrix(count, width) : xs;
    if (!p.from_start) queue.copy(base.view().data, xs.data, count * width * sizeof(float));
    queue.run(ReverseStep<float>{from, x0, previous.matrix(count, width), table.matrix(plan.size(), 4), step.view(),
                                 offset.view(), xs, seed});
    queue.copy(previous.view().data, x0.data, count * width * sizeof(float));
  }
  std::vector<float> latent = x.get(queue);
  for (float& v : latent) v /= static_cast<float>(scale_);
  return latent;
}

GeneratedCells Diffusion::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const auto latent = sample_latent(queue, q, count, sampler_named(options_.sampler), options_.sampler_steps, seed);
  return backbone_.decode(queue, q, latent, count, seed);
}

}  // namespace perturbine

// Training of the diffusion model: one step is a captured piece of work at fixed addresses.
#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "models/diffusion.h"
#include "models/mean_share.h"

namespace perturbine {
namespace {

// One batch on the device: fixed capacity, the same addresses every step.
struct DeviceBatch {
  Buffer<float> x0, time, alpha, sigma, weight, row_weight, variance, column_weight;
  Buffer<std::uint64_t> draw;
  DeviceConditions conditions;
  DeviceBatch(Queue& q, std::size_t rows, const std::vector<float>& variances, const std::vector<float>& column_weights,
              const ConditionVocabulary& vocabulary)
      : x0(q, rows * variances.size()),
        time(q, rows / cells_sharing(rows)),
        alpha(q, rows),
        sigma(q, rows),
        weight(q, std::vector<float>(rows, 1.0f)),
        row_weight(q, std::vector<float>(rows, 1.0f / static_cast<float>(rows))),
        variance(q, variances),
        column_weight(q, column_weights),
        draw(q, 1),
        conditions(q, vocabulary, rows / cells_sharing(rows), vocabulary.most_parts()) {}
};

}  // namespace

void Diffusion::resume(Queue& queue, const ProgressCallback& progress) {
  if (train(queue, diffusion_step(queue), 0, options_.steps, progress) && moves_mean_) choose_mean_share(queue);
}

NetworkModel::StepParts Diffusion::diffusion_step(Queue& queue) const {
  const TrainingData& data = backbone_->data();
  const std::size_t rows = options_.batch_size, width = network_width();
  // Cells by condition, which are drawn equally often, and by condition and context.
  std::vector<std::vector<std::size_t>> cells(data.conditions.size());
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> alike;
  for (std::size_t i = 0; i < data.cells(); ++i) {
    cells[static_cast<std::size_t>(data.condition[i])].push_back(i);
    alike[{data.condition[i], data.context[i]}].push_back(i);
  }
  std::erase_if(cells, [](const auto& c) { return c.empty(); });

  const auto batch = std::make_shared<DeviceBatch>(queue, rows, extended_variance_, column_weight_, vocabulary_);
  const Target target = target_named(options_.target);
  const ScheduleKind schedule = schedule_named(options_.schedule);

  StepParts parts;
  parts.fill = [this, &queue, &data, batch, cells = std::move(cells), alike = std::move(alike), rows, width,
                schedule](std::size_t step) {
    // Everything random of a step follows from (seed, step): a resumed run draws what an uninterrupted one would.
    // Neighbouring rows are cells of one condition and context at one time.
    const std::size_t sharing = cells_sharing(rows), groups = rows / sharing;
    std::vector<float> x0(rows * width), time(groups), alpha(rows), sigma(rows);
    HostConditions host;
    for (std::size_t group = 0; group < groups; ++group) {
      const PhiloxWords w = philox(options_.seed ^ 0xba7c4ull, step, group),
                        v = philox(options_.seed ^ 0xba7c4ull, step, group + (1ull << 32));
      const auto& pool = cells[below(w.word[0], cells.size())];
      const std::size_t first = pool[below(w.word[1], pool.size())];
      const auto& alike_cells = alike.at({data.condition[first], data.context[first]});
      const ResponseAxis& along = axes_.at({data.condition[first], data.context[first]});
      // Stratified over the batch: every step sees all noise levels.
      const float t = (static_cast<float>(group) + uniform(w.word[2])) / static_cast<float>(groups);
      time[group] = std::clamp(t, 1e-3f, .999f);
      const NoiseLevel level = noise_level(schedule, static_cast<double>(time[group]));
      for (std::size_t i = group * sharing; i < (group + 1) * sharing; ++i) {
        const std::size_t cell =
            i == group * sharing
                ? first
                : alike_cells[below(philox(options_.seed ^ 0xba7c5ull, step, i).word[0], alike_cells.size())];
        float fill[4];
        normal4(options_.seed ^ 0xf111ull, step, i, fill);
        along.extend(residuals_.data() + cell * (width - 1), width - 1, fill[0], x0.data() + i * width);
        alpha[i] = static_cast<float>(level.alpha), sigma[i] = static_cast<float>(level.sigma);
      }
      host.add_row(
          vocabulary_,
          uniform(w.word[3]) > options_.drop_perturbation
              ? &data.conditions[static_cast<std::size_t>(data.condition[first])]
              : nullptr,
          uniform(v.word[0]) > options_.drop_context ? data.context[first] : -1,
          [&](std::size_t k) { return philox(options_.seed ^ 0xc0117ull, step, group * 64 + k).word[0]; },
          along.length());
    }
    batch->conditions.set(queue, std::move(host));
    batch->x0.set(queue, x0), batch->time.set(queue, time), batch->alpha.set(queue, alpha),
        batch->sigma.set(queue, sigma);
    batch->draw.set(queue, {step});
  };
  parts.loss = [this, &queue, batch, rows, width, target](Tape& tape) {
    const MatrixView<float> x0 = batch->x0.matrix(rows, width), xt = tape.arena().matrix<float>(rows, width);
    queue.run(
        DiffusionNoise<float>{x0, batch->alpha.view(), batch->sigma.view(), batch->draw.view(), xt, options_.seed});
    const Var modulation = network_->modulation(tape, batch->conditions.view(batch->time.view()));
    const Var F =
        network_->forward(tape, tape.constant(xt), modulation, options_.dropout, batch->draw.view(), options_.seed);
    return ops::diffusion_loss(
        tape, F,
        {x0, batch->alpha.view(), batch->sigma.view(), batch->weight.view(), batch->variance.view(), batch->draw.view(),
         target, options_.seed, batch->column_weight.view()},
        batch->row_weight.view());
  };
  if (data.validation) parts.validation = [this, &queue] { return validation_loss(queue); };
  return parts;
}

void Diffusion::choose_mean_share(Queue& queue) {
  // The share in [0, 1] with the least squared error on validation conditions: 0, the closed form, is among the
  // choices.
  const TrainingData& validation = *backbone_->data().validation;
  std::vector<JudgedShift> judged;
  for (ConditionMean& m : condition_means(validation, validation.expression)) {
    const auto mean = backbone_->mean(m.query);
    for (std::size_t g = 0; g < mean.size(); ++g) m.mean[g] -= mean[g];
    judged.push_back(JudgedShift::of(m.mean, shift(queue, m.query)));
  }
  const MeanShare share = perturbine::choose_mean_share(judged);
  mean_share_ = share.best;
  mean_report_ = text("the network moves the mean by ", mean_share_, " of its shift, chosen on ", judged.size(),
                      " validation conditions, which takes ", 100 * share.gain, " % (standard error ",
                      100 * share.error, ") off the squared error");
}

double Diffusion::validation_loss(Queue& queue) const {
  const TrainingData& validation = *backbone_->data().validation;
  constexpr std::uint64_t seed = 0x7a11da7e;  // the same noise at every call and for every model
  const std::size_t width = network_width(), rows = std::min<std::size_t>(256, validation.cells());
  const ScheduleKind schedule = schedule_named(options_.schedule);
  std::vector<float> x0(rows * width), time(rows), alpha(rows), sigma(rows);
  HostConditions host;
  std::size_t parts = vocabulary_.most_parts();
  for (const auto& c : validation.conditions) parts = std::max(parts, c.parts.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t cell = i * validation.cells() / rows;
    float fill[4];
    normal4(seed, 2, i, fill);
    const ResponseAxis& along = validation_axes_.at({validation.condition[cell], validation.context[cell]});
    along.extend(validation_residuals_.data() + cell * (width - 1), width - 1, fill[0], x0.data() + i * width);
    // Neighbouring rows are cells of one condition: noise levels go round by the golden ratio.
    time[i] = .001f + .998f * static_cast<float>(std::fmod(.5 + .6180339887 * static_cast<double>(i), 1.));
    const NoiseLevel level = noise_level(schedule, static_cast<double>(time[i]));
    alpha[i] = static_cast<float>(level.alpha), sigma[i] = static_cast<float>(level.sigma);
    host.add_row(
        vocabulary_, &validation.conditions[static_cast<std::size_t>(validation.condition[cell])],
        validation.context[cell], [&](std::size_t k) { return philox(seed, 1, i * 64 + k).word[0]; }, along.length());
  }
  Parameters parameters = parameters_->averaged(queue);
  Arena arena(queue);
  Tape tape(arena, parameters);
  tape.for_inference();
  tape.begin_step();
  DeviceConditions conditions(queue, vocabulary_, rows, parts);
  conditions.set(queue, std::move(host));
  const Buffer<float> x(queue, x0), t(queue, time), a(queue, alpha), s(queue, sigma),
      variance(queue, extended_variance_), weight(queue, column_weight_), ones(queue, std::vector<float>(rows, 1));
  const Buffer<std::uint64_t> draw(queue, std::vector<std::uint64_t>{0});
  const MatrixView<float> xt = arena.matrix<float>(rows, width);
  queue.run(DiffusionNoise<float>{x.matrix(rows, width), a.view(), s.view(), draw.view(), xt, seed});
  const Var F = network_->forward(tape, tape.constant(xt), network_->modulation(tape, conditions.view(t.view())), 0,
                                  draw.view(), seed);
  const VectorView<float> loss = arena.vector<float>(rows);
  queue.run(DiffusionLoss<float>{tape.value(F),
                                 x.matrix(rows, width),
                                 a.view(),
                                 s.view(),
                                 ones.view(),
                                 variance.view(),
                                 {},
                                 draw.view(),
                                 loss,
                                 {},
                                 target_named(options_.target),
                                 seed,
                                 weight.view()});
  std::vector<float> each(rows);
  queue.read(each.data(), loss.data, rows * sizeof(float));
  double sum = 0;
  for (const float l : each) sum += static_cast<double>(l) / static_cast<double>(rows);
  return sum;
}

}  // namespace perturbine

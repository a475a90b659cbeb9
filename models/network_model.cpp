#include "models/network_model.h"

#include <chrono>
#include <cmath>

namespace perturbine {
namespace {

ControlSummary summary_named(const std::string& name) {
  if (name == "none") return ControlSummary::none;
  if (name == "mean") return ControlSummary::mean;
  if (name == "attention") return ControlSummary::attention;
  throw InputError(text("control summary '", name, "' is not known; choose none, mean or attention"));
}

}  // namespace

void NetworkModel::check_options(const TrainingOptions& options) const {
  Model::check_options(options);
  require_input(options.mean_centre == "backbone" || name() == "diffusion", "--mean-centre ", options.mean_centre,
                " is for diffusion; ", name(), " starts from the backbone's mean");
}

void NetworkModel::prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options) {
  check_options(options);
  options_ = options;
  if (!backbone_) {
    auto backbone = std::make_shared<Backbone>();
    backbone->fit(queue, data, options, {});
    backbone_ = std::move(backbone);
  }
  const auto& variance = backbone_->space().residual_variance;
  double total = 0;
  for (const double v : variance) total += v / static_cast<double>(variance.size());
  scale_ = 1 / std::sqrt(total);
  variance_.clear();
  for (const double v : variance) variance_.push_back(static_cast<float>(v * scale_ * scale_));
  const ControlSummary summary = summary_named(options.control_summary);
  mean_of_all_.assign(data.genes, 0);
  for (std::size_t i = 0; i < data.expression.size(); ++i)
    mean_of_all_[i % data.genes] += static_cast<double>(data.expression[i]) / static_cast<double>(data.cells());
  std::vector<float> positions;  // what control cells are known by
  if (summary != ControlSummary::none && data.contexts.size() > 1) positions = positions_of(data.expression);
  vocabulary_ = ConditionVocabulary(data, summary, positions, variance_.size());
  prepare_targets(queue);
  parameters_ = std::make_unique<Parameters>();
  declare(*parameters_);
  parameters_->allocate(queue, options.seed);
  initialise(queue, *parameters_);
  step_ = 0;
}

void NetworkModel::set_time_frequencies(Queue& queue, Parameters& parameters) const {
  std::vector<float> values = parameters.values().get(queue);
  for (const auto& segment : parameters.segments())
    if (segment.name.ends_with("time.frequency"))
      for (std::size_t k = 0; k < segment.size(); ++k)
        values[segment.begin + k] = std::exp(static_cast<float>(std::log(highest_frequency())) * static_cast<float>(k) /
                                             static_cast<float>(segment.size() - 1));
  parameters.set_values(queue, values);
  parameters.average().set(queue, values);
}

void NetworkModel::declare(Parameters& parameters) {
  const ScoreNetworkSizes sizes{network_width(), options_.hidden, options_.blocks};
  const ConditionEncoderSizes condition = vocabulary_.sizes(options_.hidden);
  if (options_.network == "residual")
    network_ = std::make_unique<ResidualScoreNetwork>(parameters, sizes, condition, options_.penalty);
  else
    network_ = std::make_unique<UShapedScoreNetwork>(parameters, sizes, condition, options_.penalty);
}

void NetworkModel::set_state(Queue& queue, const State& s) {
  const std::size_t size = parameters_->size();
  require_input(s.value.size() == size && s.first_moment.size() == size && s.second_moment.size() == size &&
                    s.average.size() == size && (s.teacher.empty() || s.teacher.size() == size),
                "the checkpoint's network has another size than this configuration gives");
  parameters_->set_values(queue, s.value);
  parameters_->first_moment().set(queue, s.first_moment);
  parameters_->second_moment().set(queue, s.second_moment);
  parameters_->average().set(queue, s.average);
  step_ = s.step;
}

NetworkModel::State NetworkModel::state(Queue& queue) const {
  State s;
  s.step = step_;
  s.value = parameters_->values().get(queue);
  s.first_moment = parameters_->first_moment().get(queue);
  s.second_moment = parameters_->second_moment().get(queue);
  s.average = parameters_->average().get(queue);
  return s;
}

std::vector<float> NetworkModel::positions_of(const std::vector<float>& expression) const {
  const std::vector<std::size_t> one(expression.size() / data().genes, 0);
  std::vector<float> at = backbone_->space().coordinates_about(expression, one, {mean_of_all_});
  for (float& v : at) v *= static_cast<float>(scale_);
  return at;
}

Buffer<float> NetworkModel::modulations(Queue& queue, Tape& tape, const Query& q, const std::vector<float>& times,
                                        bool perturbed, bool in_context) const {
  HostConditions host;
  // An even choice of control cells, the same for every time.
  const std::size_t set = std::max<std::size_t>(1, vocabulary_.set_size());
  const float length = length_of(q);
  for (std::size_t s = 0; s < times.size(); ++s)
    host.add_row(
        vocabulary_, perturbed ? &q.condition : nullptr, in_context ? static_cast<std::int32_t>(q.context) : -1,
        [&](std::size_t k) { return static_cast<std::uint32_t>(((2 * k + 1) << 31) / set); }, length);
  DeviceConditions conditions(queue, vocabulary_, times.size(),
                              std::max(vocabulary_.most_parts(), q.condition.parts.size()));
  conditions.set(queue, std::move(host));
  const Buffer<float> time(queue, times);
  tape.begin_step();
  const MatrixView<float> m = tape.value(network_->modulation(tape, conditions.view(time.view())));
  Buffer<float> kept(queue, m.rows * m.columns);
  queue.copy(kept.view().data, m.data, m.rows * m.columns * sizeof(float));
  queue.synchronise();  // the conditions go away
  return kept;
}

namespace {

// Warm-up over 50 steps, then the fall of a cosine.
float rate_at(const TrainingOptions& o, std::size_t step, std::size_t steps) {
  const double share = static_cast<double>(step) / static_cast<double>(steps);
  return static_cast<float>(static_cast<double>(o.rate) * std::min(1.0, static_cast<double>(step + 1) / 50) * .5 *
                            (1 + std::cos(M_PI * share)));
}

}  // namespace

void NetworkModel::train_apart(Queue& queue, Parameters& parameters, const StepParts& parts, std::size_t steps) const {
  Optimiser optimiser(queue, parameters,
                      {.rate = options_.rate, .decay = options_.decay, .average_decay = options_.average_decay});
  Arena arena(queue);
  Tape tape(arena, parameters);
  for (std::size_t step = 0; step < steps; ++step) {
    parts.fill(step);
    optimiser.prepare(queue, step + 1, rate_at(options_, step, steps));
    tape.begin_step();
    parts.loss(tape);
    tape.backward();
    optimiser.apply(queue);
  }
}

double NetworkModel::RowLosses::mean(Queue& queue) const {
  double sum = 0;
  for (const Term& term : terms) {
    std::vector<float> values(term.rows.size);
    queue.read(values.data(), term.rows.data, values.size() * sizeof(float));
    for (const float v : values)
      sum += static_cast<double>(term.weight) * static_cast<double>(v) / static_cast<double>(values.size());
  }
  return sum;
}

bool NetworkModel::train(Queue& queue, const StepParts& parts, std::size_t begin, std::size_t end,
                         const ProgressCallback& progress) {
  Optimiser optimiser(queue, *parameters_,
                      {.rate = options_.rate, .decay = options_.decay, .average_decay = options_.average_decay});
  Arena arena(queue);
  Tape tape(arena, *parameters_);
  RowLosses loss;
  auto launches = [&] {
    tape.begin_step();
    loss = parts.loss(tape);
    tape.backward();
    optimiser.apply(queue);
  };
  const auto start = std::chrono::steady_clock::now();
  const std::size_t first = step_, rows = options_.batch_size;
  CapturedWork captured;
  for (; step_ < end; ++step_) {
    parts.fill(step_);
    const float rate = rate_at(options_, step_ - begin, end - begin);
    optimiser.prepare(queue, step_ + 1, rate);
    // The first step sizes the arena, the second captures, the others replay.
    if (step_ - first == 1)
      captured = queue.capture(launches);
    else if (step_ == first)
      launches();
    else
      captured.run();
    peak_memory_ = std::max(peak_memory_, arena.peak());
    const bool last = step_ + 1 == end;
    if (!last && (!progress || (step_ + 1) % 50 != 0)) continue;
    const double sum = loss.mean(queue);
    require(std::isfinite(sum), "training: the loss is not finite at step ", step_ + 1,
            "; lower the learning rate, or run with --check-finite to find the operation");
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (progress && !progress({step_ + 1, total_steps(), sum, static_cast<double>(rate), seconds,
                               static_cast<double>((step_ + 1 - first) * rows) / seconds,
                               parts.validation ? std::optional(parts.validation()) : std::nullopt})) {
      ++step_;
      return false;
    }
  }
  return true;
}

}  // namespace perturbine

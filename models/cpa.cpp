#include "models/cpa.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "models/real_cells.h"

namespace perturbine {
namespace {

constexpr float rate = 5e-4f, adversary_rate = 3e-4f;
constexpr ParameterSettings doser{3e-4f / rate, 0, 4e-7f, false}, of_adversary{1, 0, 4e-7f, false};

}  // namespace

// What a step reads.
struct Cpa::Batch {
  CellBatch cells;
  OperatorBatch perturbations, contexts;
  Buffer<std::int32_t> condition, context;
  Buffer<float> condition_weight, context_weight, fooling_condition, fooling_context;

  Batch(Queue& q, std::size_t n, std::size_t G, std::size_t most, std::size_t slots, float adversary_weight)
      : cells(q, n, G, most),
        perturbations(q, n, slots),
        contexts(q, n, 1),
        condition(q, n),
        context(q, n),
        condition_weight(q, n),
        context_weight(q, std::vector<float>(n, 1 / static_cast<float>(n))),
        fooling_condition(q, n),
        fooling_context(q, std::vector<float>(n, -adversary_weight / static_cast<float>(n))) {}
  /// For the classifiers, or for the encoder that fools them.
  std::vector<LatentAdversary::Labels> labels(std::size_t count, bool fooling) const {
    std::vector<LatentAdversary::Labels> all{
        {condition.view(), fooling ? fooling_condition.view() : condition_weight.view()},
        {context.view(), fooling ? fooling_context.view() : context_weight.view()}};
    all.resize(count);
    return all;
  }
};

void Cpa::declare() {
  const std::size_t H = recipe_.hidden, L = recipe_.latent, G = data_.genes;
  encoder_.clear(), decoder_.clear();
  for (std::size_t l = 0; l < recipe_.layers; ++l) {
    encoder_.push_back(add_layer(text("encoder.", l + 1), H, l == 0 ? G : H, 0));
    decoder_.push_back(add_layer(text("decoder.", l + 1), H, l == 0 ? L : H, 0));
  }
  basal_w_ = add_weight("encoder.basal.weight", L, H), basal_b_ = add_row("encoder.basal.bias", L);
  share_w_ = add_weight("decoder.share.weight", G, H), share_b_ = add_row("decoder.share.bias", G);
  log_dispersion_ = add_row("decoder.log_dispersion", G);
  perturbation_ = add_weight("perturbation", perturbations_.size() + 1, L);  // the last is control
  context_ = add_weight("context", data_.contexts.size(), L);
  dose_ = parameters_->add("dose", perturbations_.size() + 1, 2, Initial::zero, doser);
}

void Cpa::initialise(Queue& queue) {
  // Embeddings and log dispersions start as standard normal numbers, slopes of dose responses at one.
  std::vector<float> values = parameters_->values().get(queue);
  for (const Parameter p : {perturbation_, context_, log_dispersion_}) {
    const auto& s = parameters_->segments()[p.index];
    normal_row(seed_ ^ 0xc9a0ull, 0, p.index, values.data() + s.begin, s.size());
  }
  const auto& s = parameters_->segments()[dose_.index];
  for (std::size_t k = 0; k < s.rows; ++k) values[s.begin + 2 * k] = 1;
  parameters_->set_values(queue, values);
}

HostOperators Cpa::operators_of(const std::vector<const Condition*>& conditions) const {
  std::size_t slots = slots_;
  for (const Condition* c : conditions) slots = std::max(slots, c->parts.size());
  HostOperators out(slots);
  for (const Condition* c : conditions) {
    std::size_t slot = 0;
    auto add = [&](std::size_t number, float present, double dose) {
      out.index[slot].push_back(static_cast<std::int32_t>(number));
      out.present[slot].push_back(present), out.dose[slot].push_back(static_cast<float>(dose));
      ++slot;
    };
    for (const Condition::Part& p : c->parts)
      if (const std::ptrdiff_t k = number_of(p.name); k >= 0) add(static_cast<std::size_t>(k), 1, p.weight);
    if (slot == 0) add(perturbations_.size(), 1, 1);  // control
    while (slot < slots) add(0, 0, 0);
  }
  return out;
}

HostOperators Cpa::contexts_of(const std::vector<std::size_t>& contexts) const {
  HostOperators out(1);
  for (const std::size_t c : contexts) {
    const bool known = c < data_.contexts.size();
    out.index[0].push_back(known ? static_cast<std::int32_t>(c) : 0);
    out.present[0].push_back(known ? 1.0f : 0.0f), out.dose[0].push_back(1);
  }
  return out;
}

std::vector<float> Cpa::condition_weights(const std::vector<std::int32_t>& conditions) const {
  std::vector<float> weights;
  double sum = 0;
  for (const std::int32_t c : conditions) sum += condition_weight_[static_cast<std::size_t>(c)];
  for (const std::int32_t c : conditions)
    weights.push_back(sum > 0 ? static_cast<float>(condition_weight_[static_cast<std::size_t>(c)] / sum) : 0.0f);
  return weights;
}

Var Cpa::encode(Tape& t, Var h, const Noise* noise) const {
  for (std::size_t l = 0; l < encoder_.size(); ++l) h = layer(t, h, encoder_[l], noise, 1 + l);
  return ops::linear(t, h, basal_w_, basal_b_);
}

Var Cpa::composed(Tape& t, Var basal, const OperatorBatch& perturbations, const OperatorBatch& contexts) const {
  const std::size_t rows = t.value(basal).rows;
  Var z = ops::add(t, basal, ops::set_embedding(t, context_, contexts.sets(0, false), rows));
  for (std::size_t s = 0; s < perturbations.slots(); ++s) {
    const ops::Sets sets = perturbations.sets(s, false);
    z = ops::add(
        t, z,
        ops::dose_scale(t, ops::set_embedding(t, perturbation_, sets, rows), ops::set_embedding(t, dose_, sets, rows),
                        perturbations.dose(s), DoseCurve::log_sigmoid));
  }
  return z;
}

Var Cpa::rates(Tape& t, Var h, VectorView<const float> total, const Noise* noise) const {
  for (std::size_t l = 0; l < decoder_.size(); ++l) h = layer(t, h, decoder_[l], noise, 20 + l);
  return ops::library_rate(t, ops::linear(t, h, share_w_, share_b_), total, true);
}

VectorView<float> Cpa::loss(Tape& t, const Batch& b, LatentAdversary& adversary) const {
  const CellBatch& c = b.cells;
  const Noise none{c.offset.view(), 0, 0};
  const Var basal = encode(t, t.constant(c.log_counts.matrix(c.rows, c.genes)), &none);
  if (recipe_.adversary_weight != 0)
    t.seed_gradient(basal,
                    adversary.gradient(t.value(basal), b.labels(adversary.classifiers(), true), c.offset.view()));
  const Var rate_of = rates(t, composed(t, basal, b.perturbations, b.contexts), c.total.view(), &none);
  const Var theta = ops::library_rate(t, ops::parameter(t, log_dispersion_), c.one.view(), false);
  return ops::count_likelihood(t, c.counts(), rate_of, nullptr, theta, c.row_weight());
}

void Cpa::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
              const ProgressCallback& progress) {
  begin_counts(data, options);
  slots_ = 1;
  std::vector<double> cells_of(data.conditions.size(), 0);
  for (const Condition& c : data.conditions) slots_ = std::max(slots_, c.parts.size());
  for (const std::int32_t c : data.condition) cells_of[static_cast<std::size_t>(c)] += 1;
  condition_weight_.clear();
  for (const double n : cells_of) condition_weight_.push_back(n > 0 ? static_cast<double>(data.cells()) / n - 1 : 0);
  declare();
  parameters_->allocate(queue, seed_);
  initialise(queue);

  Schedule schedule{.batch = recipe_.batch,
                    .epochs = recipe_.epochs,
                    .rate = rate,
                    .epsilon = 1e-8f,
                    .rate_epochs = 45,
                    .rate_factor = .9f};
  if (schedule.epochs == 0) schedule.epochs = usual_epochs();
  const std::size_t rows = rows_of_batch(schedule);
  Batch batch(queue, rows, data.genes, most_values_, slots_, recipe_.adversary_weight);
  std::vector<std::size_t> classes{data.conditions.size()};
  if (data.contexts.size() > 1) classes.push_back(data.contexts.size());
  LatentAdversary adversary(queue, rows, recipe_.latent, classes,
                            {.hidden = recipe_.adversary_hidden,
                             .layers = recipe_.adversary_layers,
                             .penalty = recipe_.penalty,
                             .parameters = of_adversary},
                            seed_ ^ 0xad0ull);
  Steps steps;
  steps.fill = [&](const std::vector<std::size_t>& chosen, std::size_t n, std::size_t step, std::size_t) {
    batch.cells.set(queue, *this, chosen, step);
    std::vector<const Condition*> conditions;
    std::vector<std::size_t> contexts;
    std::vector<std::int32_t> condition, context;
    for (std::size_t r = 0; r < n; ++r) {
      conditions.push_back(&condition_of(chosen[r]));
      condition.push_back(data_.condition[chosen[r]]), context.push_back(data_.context[chosen[r]]);
      contexts.push_back(static_cast<std::size_t>(context.back()));
    }
    batch.perturbations.set(queue, operators_of(conditions)), batch.contexts.set(queue, contexts_of(contexts));
    batch.condition.set(queue, condition), batch.context.set(queue, context);
    std::vector<float> weights = condition_weights(condition);
    batch.condition_weight.set(queue, weights);
    for (float& w : weights) w *= -recipe_.adversary_weight;
    batch.fooling_condition.set(queue, weights);
  };
  steps.loss = [&](Tape& tape) { return loss(tape, batch, adversary); };
  // The classifiers' steps run the encoder as training does, and leave it.
  Arena arena(queue);
  Tape encoder(arena, *parameters_);
  encoder.freeze_parameters();
  steps.opponent = {&adversary.parameters(), adversary_rate, recipe_.adversary_turns, [&](Tape& tape) {
                      const CellBatch& c = batch.cells;
                      const Noise none{c.offset.view(), 0, 0};
                      encoder.begin_step();
                      const Var basal = encode(encoder, encoder.constant(c.log_counts.matrix(c.rows, c.genes)), &none);
                      adversary.learn(tape, encoder.value(basal), batch.labels(classes.size(), false), c.offset.view());
                    }};
  train(queue, schedule, steps, progress);
  choose_cells(queue);
}

void Cpa::choose_cells(Queue& queue) {
  double error[2] = {0, 0};
  for (std::size_t c = 0; c < data_.contexts.size(); ++c) {
    const auto cells = controls_of(data_, c);
    std::vector<double> observed(data_.genes, 0);
    for (const std::size_t i : cells)
      for (std::size_t g = 0; g < data_.genes; ++g)
        observed[g] += static_cast<double>(data_.row(i)[g]) / static_cast<double>(cells.size());
    for (const bool drawn : {false, true}) {
      draws_ = drawn;
      const auto mean = predict_mean(queue, {data_.conditions[0], c});
      for (std::size_t g = 0; g < data_.genes; ++g) error[drawn] += (mean[g] - observed[g]) * (mean[g] - observed[g]);
    }
  }
  draws_ = error[1] < error[0];
  report_[0] +=
      text("; cells are ", draws_ ? "counts drawn" : "expected counts", ": control cells' mean comes back within ",
           std::sqrt(error[draws_]), ", by the other within ", std::sqrt(error[!draws_]));
}

CountModel::Decoded Cpa::decode(Tape& t, Var log_counts, VectorView<const float> total, const Query& query,
                                VectorView<const std::uint64_t>, std::uint64_t) const {
  Queue& queue = t.queue();
  const std::size_t n = t.value(log_counts).rows;
  const HostOperators host = operators_of(std::vector<const Condition*>(n, &query.condition));
  OperatorBatch perturbations(queue, n, host.index.size()), contexts(queue, n, 1);
  perturbations.set(queue, host), contexts.set(queue, contexts_of(std::vector<std::size_t>(n, query.context)));
  const Buffer<float> one(queue, std::vector<float>{1});
  const Var z = composed(t, encode(t, log_counts, nullptr), perturbations, contexts);
  Decoded d{
      rates(t, z, total, nullptr), ops::library_rate(t, ops::parameter(t, log_dispersion_), one.view(), false), {}};
  queue.synchronise();  // what it read of the query ends here
  return d;
}

std::vector<float> Cpa::basal_states(Queue& queue, const std::vector<std::size_t>& cells) const {
  const std::size_t G = data_.genes;
  std::vector<float> out;
  infer(queue, cells.size(), [&](Tape& t, std::size_t first, std::size_t n) {
    const Buffer<float> x(queue, log_counts_of(cells, first, n));
    const auto z = read(queue, t.value(encode(t, t.constant(x.matrix(n, G)), nullptr)));
    out.insert(out.end(), z.begin(), z.end());
  });
  return out;
}

}  // namespace perturbine

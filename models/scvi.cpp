#include "models/scvi.h"

#include <algorithm>

namespace perturbine {

// What a step reads.
struct ScVi::Batch {
  CellBatch cells;
  std::size_t columns;
  Buffer<float> covariate, divergence_weight, zeros;

  Batch(Queue& q, std::size_t n, std::size_t G, std::size_t C, std::size_t most, std::size_t latent)
      : cells(q, n, G, most),
        columns(C),
        covariate(q, n * C),
        divergence_weight(q, n),
        zeros(q, std::vector<float>((n + 1) * latent, 0.0f)) {}
};

void ScVi::declare() {
  const std::size_t H = recipe_.hidden, L = recipe_.latent, G = data_.genes;
  encoder_ = add_layer("encoder", H, G, 0);
  mean_w_ = add_weight("encoder.mean.weight", L, H), mean_b_ = add_row("encoder.mean.bias", L);
  variance_w_ = add_weight("encoder.variance.weight", L, H), variance_b_ = add_row("encoder.variance.bias", L);
  decoder_ = add_layer("decoder", H, L + perturbations_.size(), 0);
  share_w_ = add_weight("decoder.share.weight", G, H), share_b_ = add_row("decoder.share.bias", G);
  zero_w_ = add_weight("decoder.zero.weight", G, H), zero_b_ = add_row("decoder.zero.bias", G);
  log_dispersion_ = add_row("decoder.log_dispersion", G);
}

std::vector<float> ScVi::covariates(const Condition& condition) const {
  std::vector<float> out(perturbations_.size(), 0.0f);
  for (const Condition::Part& p : condition.parts)
    if (const std::ptrdiff_t k = number_of(p.name); k >= 0)
      out[static_cast<std::size_t>(k)] = static_cast<float>(p.weight);
  return out;
}

VectorView<float> ScVi::loss(Tape& t, const Batch& b) const {
  const CellBatch& c = b.cells;
  const std::size_t L = recipe_.latent;
  const Noise noise{c.offset.view(), seed_ ^ 0xd409ull, recipe_.dropout}, none{c.offset.view(), 0, 0};
  const Var h = layer(t, t.constant(c.log_counts.matrix(c.rows, c.genes)), encoder_, &noise, 1);
  const Var mean = ops::linear(t, h, mean_w_, mean_b_), log_variance = ops::linear(t, h, variance_w_, variance_b_);
  const Var z = ops::reparameterise(t, mean, log_variance, c.offset.view(), seed_ ^ 0x5c9e0ull);
  const Var with = ops::concatenate(t, {z, t.constant(b.covariate.matrix(c.rows, b.columns))});
  const Var decoded = layer(t, with, decoder_, &none, 2);
  const Var rate = ops::library_rate(t, ops::linear(t, decoded, share_w_, share_b_), c.total.view(), true);
  const Var zero = ops::linear(t, decoded, zero_w_, zero_b_);
  const Var theta = ops::library_rate(t, ops::parameter(t, log_dispersion_), c.one.view(), false);
  const MatrixView<float> zeros = b.zeros.matrix(c.rows + 1, L);
  ops::gaussian_divergence(t, mean, log_variance, t.constant({zeros.data, c.rows, L, L}),
                           t.constant({zeros.row(c.rows), 1, L, L}), b.divergence_weight.view());
  return ops::count_likelihood(t, c.counts(), rate, &zero, theta, c.row_weight());
}

void ScVi::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
               const ProgressCallback& progress) {
  begin_counts(data, options);
  declare();
  parameters_->allocate(queue, seed_);

  Schedule schedule{.batch = recipe_.batch, .epochs = recipe_.epochs};
  if (schedule.epochs == 0) schedule.epochs = usual_epochs();
  const std::size_t rows = rows_of_batch(schedule);
  Batch batch(queue, rows, data.genes, perturbations_.size(), most_values_, recipe_.latent);
  Steps steps;
  steps.fill = [&](const std::vector<std::size_t>& chosen, std::size_t n, std::size_t step, std::size_t epoch) {
    batch.cells.set(queue, *this, chosen, step);
    std::vector<float> covariate;
    for (std::size_t r = 0; r < n; ++r) {
      const auto c = covariates(data_.conditions[static_cast<std::size_t>(data_.condition[chosen[r]])]);
      covariate.insert(covariate.end(), c.begin(), c.end());
    }
    batch.covariate.set(queue, covariate);
    const float share = std::min(1.0f, static_cast<float>(epoch) / static_cast<float>(recipe_.warm_up));
    batch.divergence_weight.set(queue, std::vector<float>(n, share / static_cast<float>(n)));
  };
  steps.loss = [&](Tape& tape) { return loss(tape, batch); };
  train(queue, schedule, steps, progress);
}

CountModel::Decoded ScVi::decode(Tape& t, Var log_counts, VectorView<const float> total, const Query& query,
                                 VectorView<const std::uint64_t> offset, std::uint64_t seed) const {
  Queue& queue = t.queue();
  const std::size_t n = t.value(log_counts).rows;
  const std::vector<float> one_row = covariates(query.condition);
  std::vector<float> rows;
  for (std::size_t r = 0; r < n; ++r) rows.insert(rows.end(), one_row.begin(), one_row.end());
  const Buffer<float> given(queue, rows), one(queue, std::vector<float>{1});
  const Var h = layer(t, log_counts, encoder_, nullptr, 0);
  const Var z = ops::reparameterise(t, ops::linear(t, h, mean_w_, mean_b_), ops::linear(t, h, variance_w_, variance_b_),
                                    offset, seed ^ 0x5c9e0ull);
  const Var with = ops::concatenate(t, {z, t.constant(given.matrix(n, one_row.size()))});
  const Var decoded = layer(t, with, decoder_, nullptr, 0);
  Decoded d{ops::library_rate(t, ops::linear(t, decoded, share_w_, share_b_), total, true),
            ops::library_rate(t, ops::parameter(t, log_dispersion_), one.view(), false),
            ops::linear(t, decoded, zero_w_, zero_b_)};
  queue.synchronise();  // what it read of the query ends here
  return d;
}

}  // namespace perturbine

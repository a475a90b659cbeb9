#include "models/scvi.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/core/philox.h"
#include "kernels/counts/counts.h"
#include "models/real_cells.h"

namespace perturbine {

// What a step reads.
struct ScVi::Batch {
  std::size_t rows, genes, covariates;
  Buffer<float> log_counts, values, total, covariate, weight, divergence_weight, zeros, one;
  Buffer<std::int32_t> row_offsets, columns;
  Buffer<std::uint64_t> offset;

  Batch(Queue& q, std::size_t n, std::size_t G, std::size_t C, std::size_t most, std::size_t latent)
      : rows(n),
        genes(G),
        covariates(C),
        log_counts(q, n * G),
        values(q, n * most),
        total(q, n),
        covariate(q, n * C),
        weight(q, std::vector<float>(n, 1.0f / static_cast<float>(n))),
        divergence_weight(q, n),
        zeros(q, std::vector<float>((n + 1) * latent, 0.0f)),
        one(q, std::vector<float>{1}),
        row_offsets(q, n + 1),
        columns(q, n * most),
        offset(q, 1) {}
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
  for (const Condition::Part& p : condition.parts) {
    const auto at = std::lower_bound(perturbations_.begin(), perturbations_.end(), p.name);
    if (at != perturbations_.end() && *at == p.name)
      out[static_cast<std::size_t>(at - perturbations_.begin())] = static_cast<float>(p.weight);
  }
  return out;
}

VectorView<float> ScVi::loss(Tape& t, const Batch& b) const {
  const std::size_t L = recipe_.latent;
  const Noise noise{b.offset.view(), seed_ ^ 0xd409ull, recipe_.dropout}, none{b.offset.view(), 0, 0};
  const Var h = layer(t, t.constant(b.log_counts.matrix(b.rows, b.genes)), encoder_, &noise, 1);
  const Var mean = ops::linear(t, h, mean_w_, mean_b_), log_variance = ops::linear(t, h, variance_w_, variance_b_);
  const Var z = ops::reparameterise(t, mean, log_variance, b.offset.view(), seed_ ^ 0x5c9e0ull);
  const Var with = ops::concatenate(t, {z, t.constant(b.covariate.matrix(b.rows, b.covariates))});
  const Var decoded = layer(t, with, decoder_, &none, 2);
  const Var rate = ops::library_rate(t, ops::linear(t, decoded, share_w_, share_b_), b.total.view(), true);
  const Var zero = ops::linear(t, decoded, zero_w_, zero_b_);
  const Var theta = ops::library_rate(t, ops::parameter(t, log_dispersion_), b.one.view(), false);
  const MatrixView<float> zeros = b.zeros.matrix(b.rows + 1, L);
  ops::gaussian_divergence(t, mean, log_variance, t.constant({zeros.data, b.rows, L, L}),
                           t.constant({zeros.row(b.rows), 1, L, L}), b.divergence_weight.view());
  return ops::count_likelihood(t, {b.row_offsets.view(), b.columns.view(), b.values.view(), b.rows, b.genes}, rate,
                               &zero, theta, b.weight.view());
}

void ScVi::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
               const ProgressCallback& progress) {
  begin(data, options);
  std::set<std::string> names;
  for (const Condition& c : data.conditions)
    for (const Condition::Part& p : c.parts) names.insert(p.name);
  perturbations_.assign(names.begin(), names.end());
  require_input(!perturbations_.empty(), "scvi: there are no perturbed cells to train on");
  const std::size_t G = data.genes, cells = data.cells();
  counts_.assign(cells * G, 0), total_.assign(cells, 0), most_values_ = 1;
  for (std::size_t i = 0; i < cells; ++i) {
    std::size_t values = 0;
    for (std::size_t g = 0; g < G; ++g) {
      const float count = static_cast<float>(data.count(i, g));
      counts_[i * G + g] = count, total_[i] += count, values += count > 0;
    }
    total_[i] = std::max(total_[i], 1.0f), most_values_ = std::max(most_values_, values);
  }
  declare();
  parameters_->allocate(queue, seed_);

  Schedule schedule{.batch = recipe_.batch, .epochs = recipe_.epochs};
  if (schedule.epochs == 0)
    schedule.epochs =
        std::min<std::size_t>(400, static_cast<std::size_t>(std::round(8e6 / static_cast<double>(cells))));
  schedule.epochs = std::max<std::size_t>(1, schedule.epochs);
  const std::size_t rows = rows_of_batch(schedule);
  Batch batch(queue, rows, G, perturbations_.size(), most_values_, recipe_.latent);
  Steps steps;
  steps.fill = [&](const std::vector<std::size_t>& chosen, std::size_t n, std::size_t step, std::size_t epoch) {
    std::vector<float> log_counts, values, total, covariate;
    std::vector<std::int32_t> offsets{0}, columns;
    for (std::size_t r = 0; r < n; ++r) {
      const std::size_t i = chosen[r];
      for (std::size_t g = 0; g < G; ++g) {
        const float v = counts_[i * G + g];
        log_counts.push_back(std::log1p(v));
        if (v > 0) columns.push_back(static_cast<std::int32_t>(g)), values.push_back(v);
      }
      offsets.push_back(static_cast<std::int32_t>(columns.size()));
      total.push_back(total_[i]);
      const auto c = covariates(data_.conditions[static_cast<std::size_t>(data_.condition[i])]);
      covariate.insert(covariate.end(), c.begin(), c.end());
    }
    columns.resize(n * most_values_, 0), values.resize(n * most_values_, 0);
    batch.log_counts.set(queue, log_counts), batch.values.set(queue, values), batch.columns.set(queue, columns);
    batch.row_offsets.set(queue, offsets), batch.total.set(queue, total), batch.covariate.set(queue, covariate);
    const float share = std::min(1.0f, static_cast<float>(epoch) / static_cast<float>(recipe_.warm_up));
    batch.divergence_weight.set(queue, std::vector<float>(n, share / static_cast<float>(n)));
    batch.offset.set(queue, {step * 8});
  };
  steps.loss = [&](Tape& tape) { return loss(tape, batch); };
  train(queue, schedule, steps, progress);
}

GeneratedCells ScVi::drawn(Queue& queue, const std::vector<std::size_t>& cells, const Condition& condition,
                           std::uint64_t seed) const {
  const std::size_t G = data_.genes;
  const std::vector<float> with = covariates(condition);
  GeneratedCells out;
  out.count = cells.size(), out.genes = G;
  infer(queue, cells.size(), [&](Tape& t, std::size_t first, std::size_t n) {
    std::vector<float> log_counts, total, covariate;
    for (std::size_t r = first; r < first + n; ++r) {
      const std::size_t i = cells[r];
      for (std::size_t g = 0; g < G; ++g) log_counts.push_back(std::log1p(counts_[i * G + g]));
      total.push_back(total_[i]);
      covariate.insert(covariate.end(), with.begin(), with.end());
    }
    const Buffer<float> x(queue, log_counts), of_cell(queue, total), one(queue, std::vector<float>{1}),
        given(queue, covariate);
    const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{first});
    const Var h = layer(t, t.constant(x.matrix(n, G)), encoder_, nullptr, 0);
    const Var z = ops::reparameterise(t, ops::linear(t, h, mean_w_, mean_b_),
                                      ops::linear(t, h, variance_w_, variance_b_), offset.view(), seed ^ 0x5c9e0ull);
    const Var decoded =
        layer(t, ops::concatenate(t, {z, t.constant(given.matrix(n, with.size()))}), decoder_, nullptr, 0);
    const Var rate = ops::library_rate(t, ops::linear(t, decoded, share_w_, share_b_), of_cell.view(), true);
    const auto zero = read(queue, t.value(ops::linear(t, decoded, zero_w_, zero_b_)));
    const MatrixView<float> theta =
        t.value(ops::library_rate(t, ops::parameter(t, log_dispersion_), one.view(), false));
    const MatrixView<float> counts = t.arena().matrix<float>(n, G);
    queue.run(SampleCounts<float>{t.value(rate), {theta.data, G}, offset.view(), counts, seed});
    auto values = read(queue, counts);
    for (std::size_t k = 0; k < values.size(); ++k) {
      const double uniform = (static_cast<double>(philox(seed ^ 0x2e40ull, first, k).word[0]) + .5) / 4294967296.0;
      if (uniform * (1 + std::exp(-static_cast<double>(zero[k]))) < 1) values[k] = 0;
    }
    out.counts.insert(out.counts.end(), values.begin(), values.end());
  });
  for (std::size_t r = 0; r < cells.size(); ++r) {
    out.library_size.push_back(data_.library_size[cells[r]]);
    for (std::size_t g = 0; g < G; ++g)
      out.expression.push_back(
          static_cast<float>(std::log1p(10000 * static_cast<double>(out.counts[r * G + g]) / out.library_size.back())));
  }
  return out;
}

std::vector<double> ScVi::predict_mean(Queue& queue, const Query& q) const {
  const auto controls = controls_of(data_, q.context);
  std::vector<std::size_t> cells;
  while (cells.size() < 2000) cells.insert(cells.end(), controls.begin(), controls.end());
  const GeneratedCells drawn_cells = drawn(queue, cells, q.condition, seed_ ^ 0x3ea4ull);
  std::vector<double> mean(data_.genes, 0);
  for (std::size_t k = 0; k < drawn_cells.expression.size(); ++k)
    mean[k % data_.genes] += static_cast<double>(drawn_cells.expression[k]) / static_cast<double>(cells.size());
  return mean;
}

GeneratedCells ScVi::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  return drawn(queue, chosen_cells(data_, q.context, false, count, seed), q.condition, seed);
}

}  // namespace perturbine

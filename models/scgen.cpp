#include "models/scgen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/real_cells.h"

namespace perturbine {
namespace {

constexpr float slope = .01f;  // of the leaky ReLU, PyTorch's default

}  // namespace

void ScGen::declare() {
  const std::size_t H = recipe_.hidden, L = recipe_.latent, G = data_.genes;
  encoder_[0] = add_layer("encoder.1", H, G, slope), encoder_[1] = add_layer("encoder.2", H, H, slope);
  mean_w_ = add_weight("encoder.mean.weight", L, H), mean_b_ = add_row("encoder.mean.bias", L);
  variance_w_ = add_weight("encoder.variance.weight", L, H), variance_b_ = add_row("encoder.variance.bias", L);
  decoder_[0] = add_layer("decoder.1", H, L, slope), decoder_[1] = add_layer("decoder.2", H, H, slope);
  out_w_ = add_weight("decoder.out.weight", G, H), out_b_ = add_row("decoder.out.bias", G);
}

ScGen::Encoded ScGen::encode(Tape& t, Var x, const Noise* noise) const {
  const Var h = layer(t, layer(t, x, encoder_[0], noise, 1), encoder_[1], noise, 2);
  return {ops::linear(t, h, mean_w_, mean_b_), ops::linear(t, h, variance_w_, variance_b_)};
}

Var ScGen::decode(Tape& t, Var z, const Noise* noise) const {
  return ops::linear(t, layer(t, layer(t, z, decoder_[0], noise, 3), decoder_[1], noise, 4), out_w_, out_b_);
}

VectorView<float> ScGen::loss(Tape& t, MatrixView<const float> x, VectorView<const float> error_weight,
                              VectorView<const float> divergence_weight, MatrixView<const float> zeros,
                              VectorView<const std::uint64_t> offset) const {
  const Noise noise{offset, seed_ ^ 0xd409ull, recipe_.dropout};
  const Encoded e = encode(t, t.constant(x), &noise);
  const Var z = ops::reparameterise(t, e.mean, e.log_variance, offset, seed_ ^ 0x5c9e0ull);
  const Var y = decode(t, z, &noise);
  // `zeros` is the prior, N(0, 1): a mean for every row, one log variance.
  ops::gaussian_divergence(t, e.mean, e.log_variance, t.constant({zeros.data, x.rows, zeros.columns, zeros.pitch}),
                           t.constant({zeros.row(x.rows), 1, zeros.columns, zeros.pitch}), divergence_weight);
  return ops::squared_error_loss(t, y, x, error_weight);
}

void ScGen::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
                const ProgressCallback& progress) {
  begin(data, options);
  declare();
  parameters_->allocate(queue, seed_);
  const Schedule schedule{.batch = recipe_.batch, .epochs = recipe_.epochs, .patience = recipe_.patience};
  const std::size_t rows = rows_of_batch(schedule), G = data.genes, L = recipe_.latent;
  Buffer<float> x(queue, rows * G);
  Buffer<std::uint64_t> offset(queue, 1);
  // The error's mean over genes times .5 genes / rows is half its sum, averaged over rows.
  const float half = .5f / static_cast<float>(rows);
  const Buffer<float> error_weight(queue, std::vector<float>(rows, half * static_cast<float>(G))),
      divergence_weight(queue, std::vector<float>(rows, half * recipe_.divergence_weight)),
      zeros(queue, std::vector<float>((rows + 1) * L, 0.0f));
  Steps steps;
  steps.fill = [&](const std::vector<std::size_t>& cells, std::size_t count, std::size_t step, std::size_t) {
    x.set(queue, expression_of(cells, 0, count));
    offset.set(queue, {step * 8});
  };
  steps.loss = [&](Tape& tape) {
    return loss(tape, x.matrix(rows, G), error_weight.view(), divergence_weight.view(), zeros.matrix(rows + 1, L),
                offset.view());
  };
  steps.watch = [&](const std::vector<std::size_t>& cells) { return validation_loss(queue, cells); };
  train(queue, schedule, steps, progress);
  latent_ = encode_cells(queue);
}

double ScGen::validation_loss(Queue& queue, const std::vector<std::size_t>& cells) const {
  double sum = 0;
  infer(queue, cells.size(), [&](Tape& tape, std::size_t first, std::size_t n) {
    const std::vector<float> values = expression_of(cells, first, n);
    const Buffer<float> x(queue, values);
    const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{~std::uint64_t{0} - first});
    const Encoded e = encode(tape, tape.constant(x.matrix(n, data_.genes)), nullptr);
    const Var z = ops::reparameterise(tape, e.mean, e.log_variance, offset.view(), seed_ ^ 0x5c9e0ull);
    const auto y = read(queue, tape.value(decode(tape, z, nullptr))), mean = read(queue, tape.value(e.mean)),
               log_variance = read(queue, tape.value(e.log_variance));
    for (std::size_t k = 0; k < y.size(); ++k) {
      const double d = static_cast<double>(y[k]) - static_cast<double>(values[k]);
      sum += .5 * d * d;
    }
    for (std::size_t k = 0; k < mean.size(); ++k) {
      const double m = static_cast<double>(mean[k]), v = static_cast<double>(log_variance[k]);
      sum += .5 * static_cast<double>(recipe_.divergence_weight) * .5 * (m * m + std::exp(v) - 1 - v);
    }
  });
  return sum / static_cast<double>(cells.size());
}

std::vector<float> ScGen::encode_cells(Queue& queue) const {
  std::vector<std::size_t> all(data_.cells());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::vector<float> out;
  infer(queue, all.size(), [&](Tape& tape, std::size_t first, std::size_t n) {
    const Buffer<float> x(queue, expression_of(all, first, n));
    const auto mean = read(queue, tape.value(encode(tape, tape.constant(x.matrix(n, data_.genes)), nullptr).mean));
    out.insert(out.end(), mean.begin(), mean.end());
  });
  return out;
}

std::vector<float> ScGen::decode_rows(Queue& queue, const std::vector<float>& latent) const {
  const std::size_t L = recipe_.latent;
  std::vector<float> out;
  infer(queue, latent.size() / L, [&](Tape& tape, std::size_t first, std::size_t n) {
    const auto begin = latent.begin() + static_cast<std::ptrdiff_t>(first * L);
    const Buffer<float> z(queue, std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(n * L)));
    const auto y = read(queue, tape.value(decode(tape, tape.constant(z.matrix(n, L)), nullptr)));
    out.insert(out.end(), y.begin(), y.end());
  });
  for (float& v : out) v = std::max(v, 0.0f);
  return out;
}

std::vector<double> ScGen::shift(const Condition& condition) const {
  const std::size_t L = recipe_.latent;
  // The mean over contexts of the latent means of a condition's cells; false where it has none.
  auto mean_of = [&](std::size_t number, std::vector<double>& mean) {
    std::vector<std::vector<double>> sums(data_.contexts.size(), std::vector<double>(L, 0));
    std::vector<double> cells(data_.contexts.size(), 0);
    for (std::size_t i = 0; i < data_.cells(); ++i) {
      if (static_cast<std::size_t>(data_.condition[i]) != number) continue;
      const auto c = static_cast<std::size_t>(data_.context[i]);
      cells[c] += 1;
      for (std::size_t k = 0; k < L; ++k) sums[c][k] += static_cast<double>(latent_[i * L + k]);
    }
    const auto with = static_cast<double>(std::count_if(cells.begin(), cells.end(), [](double n) { return n > 0; }));
    mean.assign(L, 0);
    for (std::size_t c = 0; c < cells.size(); ++c)
      for (std::size_t k = 0; cells[c] > 0 && k < L; ++k) mean[k] += sums[c][k] / cells[c] / with;
    return with > 0;
  };
  std::vector<double> control, moved, out(L, 0);
  mean_of(0, control);
  auto add = [&](std::size_t number, double weight) {
    if (!mean_of(number, moved)) return;
    for (std::size_t k = 0; k < L; ++k) out[k] += weight * (moved[k] - control[k]);
  };
  if (condition.is_control()) return out;
  const auto seen = std::find(data_.conditions.begin() + 1, data_.conditions.end(), condition);
  if (seen != data_.conditions.end()) {
    add(static_cast<std::size_t>(seen - data_.conditions.begin()), 1);
    return out;
  }
  for (const Condition::Part& p : condition.parts) {
    // The nearest dose at which the part was seen alone.
    std::size_t nearest = 0;
    double distance = INFINITY, dose = 1;
    for (std::size_t c = 1; c < data_.conditions.size(); ++c) {
      const auto& parts = data_.conditions[c].parts;
      if (parts.size() != 1 || parts[0].name != p.name) continue;
      if (const double d = std::abs(std::log(parts[0].weight / p.weight)); d < distance)
        nearest = c, distance = d, dose = parts[0].weight;
    }
    if (nearest != 0) add(nearest, p.weight / dose);
  }
  return out;
}

std::vector<float> ScGen::moved(const std::vector<std::size_t>& cells, const Condition& condition) const {
  const std::vector<double> by = shift(condition);
  std::vector<float> z;
  z.reserve(cells.size() * by.size());
  for (const std::size_t i : cells)
    for (std::size_t k = 0; k < by.size(); ++k) z.push_back(latent_[i * by.size() + k] + static_cast<float>(by[k]));
  return z;
}

std::vector<double> ScGen::predict_mean(Queue& queue, const Query& q) const {
  const auto cells = controls_of(data_, q.context);
  const std::vector<float> y = decode_rows(queue, moved(cells, q.condition));
  std::vector<double> mean(data_.genes, 0);
  for (std::size_t k = 0; k < y.size(); ++k)
    mean[k % data_.genes] += static_cast<double>(y[k]) / static_cast<double>(cells.size());
  return mean;
}

GeneratedCells ScGen::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const auto cells = chosen_cells(data_, q.context, false, count, seed);
  GeneratedCells out;
  out.count = cells.size(), out.genes = data_.genes;
  out.expression = decode_rows(queue, moved(cells, q.condition));
  for (const std::size_t i : cells) out.library_size.push_back(data_.library_size[i]);
  return out;
}

}  // namespace perturbine

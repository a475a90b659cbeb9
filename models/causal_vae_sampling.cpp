// The causal VAE after training: latents, labels, effects, cells and counterfactuals.
#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/counts/formulas.h"
#include "kernels/pointwise/pointwise.h"
#include "models/causal_vae.h"
#include "models/label_classifier.h"
#include "models/mean_share.h"
#include "models/real_cells.h"

namespace perturbine {
namespace {

constexpr std::size_t rows_at_once = 512, population_size = 400, few_controls = 50;

// A tape over the weight average, for passes without gradients of parameters.
struct Inference {
  Parameters parameters;
  Arena arena;
  Tape tape;
  Inference(Queue& queue, const Parameters& of)
      : parameters(of.averaged(queue)), arena(queue), tape(arena, parameters) {
    tape.for_inference();
  }
};

std::vector<float> read(Queue& queue, Tape& tape, Var v) {
  const MatrixView<float> m = tape.value(v);
  std::vector<float> out(m.rows * m.columns);
  if (m.pitch == m.columns) {
    queue.read(out.data(), m.data, out.size() * sizeof(float));
  } else {
    const MatrixView<float> dense = tape.arena().matrix<float>(m.rows, m.columns);
    queue.run(Combine<float>{m, {}, dense, 1, 0});
    queue.read(out.data(), dense.data, out.size() * sizeof(float));
  }
  return out;
}

void append(std::vector<float>& to, const std::vector<float>& from) { to.insert(to.end(), from.begin(), from.end()); }

std::vector<float> part(const std::vector<float>& all, std::size_t first, std::size_t count, std::size_t width) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first * width);
  return {begin, begin + static_cast<std::ptrdiff_t>(count * width)};
}

}  // namespace

LatentCells CausalVae::encode_positions(Queue& queue, const std::vector<float>& positions,
                                        const std::vector<float>& starts, bool draw, std::uint64_t seed) const {
  const std::size_t K = width(), n = positions.size() / K;
  LatentCells z;
  z.cells = n;
  Inference run(queue, *parameters_);
  for (std::size_t first = 0; first < n; first += rows_at_once) {
    const std::size_t rows = std::min(rows_at_once, n - first);
    const Buffer<float> p(queue, part(positions, first, rows, K)), s(queue, part(starts, first, rows, K));
    const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{first});
    run.tape.begin_step();
    const EncodedCells e =
        autoencoder_->encode(run.tape, run.tape.constant(p.matrix(rows, K)), run.tape.constant(s.matrix(rows, K)));
    const auto group = [&](const LatentGroup& g, std::uint64_t stream) {
      const Var v = draw ? ops::reparameterise(run.tape, g.mean, g.log_variance, offset.view(), seed ^ stream) : g.mean;
      return read(queue, run.tape, v);
    };
    append(z.state, group(e.state, 0x57a)), append(z.identity, group(e.identity, 0x1de));
    append(z.technical, group(e.technical, 0x7ec));
  }
  return z;
}

LatentCells CausalVae::encode(Queue& queue, const std::vector<float>& expression,
                              const std::vector<std::int32_t>& contexts,
                              const std::vector<std::int32_t>& batches) const {
  const std::size_t K = width(), G = data().genes, n = expression.size() / G;
  const std::vector<float> at = positions_of(expression);
  std::vector<float> starts(n * K);
  for (std::size_t i = 0; i < n; ++i)
    start_of(at.data() + i * K, static_cast<std::size_t>(contexts[i]), static_cast<std::size_t>(batches[i]),
             starts.data() + i * K);
  return encode_positions(queue, at, starts, false, 0);
}

CellLabels CausalVae::labels(Queue& queue, const std::vector<float>& expression) const {
  const std::size_t K = width(), n = expression.size() / data().genes, C = sizes_.contexts, B = sizes_.batches;
  const std::vector<float> at = positions_of(expression);
  CellLabels labels;
  Inference run(queue, *parameters_);
  // Identity and technical latents need the position alone; the state then starts at the most probable labels.
  const LatentCells first = encode_positions(queue, at, std::vector<float>(n * K, 0), false, 0);
  auto heads = [&](const LatentCells& z) {
    const Buffer<float> state(queue, z.state), identity(queue, z.identity), technical(queue, z.technical);
    run.tape.begin_step();
    const auto constant = [&](const Buffer<float>& b) { return run.tape.constant(b.matrix(n, b.size() / n)); };
    const LabelLogits l = autoencoder_->labels(run.tape, constant(state), constant(identity), constant(technical));
    labels.context = softmax_rows(read(queue, run.tape, l.context), C);
    labels.batch = softmax_rows(read(queue, run.tape, l.batch), B);
    const auto two = softmax_rows(read(queue, run.tape, l.perturbed), 2);
    labels.perturbed.clear();
    for (std::size_t i = 0; i < n; ++i) labels.perturbed.push_back(two[2 * i + 1]);
  };
  heads(first);
  std::vector<std::int32_t> contexts, batches;
  for (std::size_t i = 0; i < n; ++i) {
    auto best = [&](const std::vector<float>& p, std::size_t classes) {
      const auto begin = p.begin() + static_cast<std::ptrdiff_t>(i * classes);
      return static_cast<std::int32_t>(std::max_element(begin, begin + static_cast<std::ptrdiff_t>(classes)) - begin);
    };
    contexts.push_back(best(labels.context, C)), batches.push_back(best(labels.batch, B));
  }
  heads(encode(queue, expression, contexts, batches));
  return labels;
}

std::vector<float> CausalVae::operator_shift(Queue& queue, const Condition& condition) const {
  const Condition known = known_parts(condition);
  if (known.is_control()) return std::vector<float>(width(), 0);
  HostOperators host(std::max(vocabulary_.most_parts(), known.parts.size()));
  host.add_row(vocabulary_, &known);
  OperatorBatch batch(queue, 1, host.index.size());
  batch.set(queue, host);
  Inference run(queue, *parameters_);
  run.tape.begin_step();
  return read(queue, run.tape, operators_->shift(run.tape, batch));
}

std::vector<float> CausalVae::latent_shift(Queue& queue, const Query& q) const {
  std::vector<float> shift = operator_shift(queue, q.condition);
  const std::vector<double> unknown = unknown_shift(q);
  for (std::size_t k = 0; k < shift.size(); ++k) shift[k] += static_cast<float>(unknown[k]);
  return shift;
}

std::vector<LatentEffect> CausalVae::latent_effects(Queue& queue) const {
  const std::vector<PerturbationUncertainty> sure = perturbation_uncertainty(data());
  std::vector<LatentEffect> effects;
  for (const PerturbationUncertainty& u : sure) {
    const auto shift = latent_shift(queue, {parse_condition(u.perturbation), 0});
    LatentEffect e{u.perturbation, {shift.begin(), shift.end()}, {}};
    for (std::size_t k = 0; k < shift.size(); ++k)
      e.standard_error.push_back(kept_[k] * std::sqrt(static_cast<double>(variance_[k])) * u.factor);
    effects.push_back(std::move(e));
  }
  return effects;
}

CausalVae::HostDecoded CausalVae::decode(Queue& queue, const LatentCells& z, const std::vector<float>& shift,
                                         const std::vector<float>& offset,
                                         const std::vector<std::size_t>& batches) const {
  const std::size_t G = data().genes, K = sizes_.state;
  HostDecoded out;
  Inference run(queue, *parameters_);
  for (std::size_t first = 0; first < z.cells; first += rows_at_once) {
    const std::size_t rows = std::min(rows_at_once, z.cells - first);
    std::vector<float> state = part(z.state, first, rows, K), offsets;
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += shift[i % K];
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t g = 0; g < G; ++g) offsets.push_back(offset[g] + batch_offset_[batches[first + r]][g]);
    const Buffer<float> s(queue, state), i(queue, part(z.identity, first, rows, sizes_.identity)),
        t(queue, part(z.technical, first, rows, sizes_.technical)), o(queue, offsets);
    run.tape.begin_step();
    const auto constant = [&](const Buffer<float>& b) { return run.tape.constant(b.matrix(rows, b.size() / rows)); };
    const DecodedCells d = autoencoder_->decode(run.tape, constant(s), constant(i), constant(t), constant(o));
    append(out.logits, read(queue, run.tape, d.logits));
    if (zero_logits()) append(out.zero, read(queue, run.tape, d.zero));
  }
  return out;
}

GeneratedCells CausalVae::draw_cells(Queue& queue, const HostDecoded& d, const std::vector<double>& mean,
                                     const std::vector<double>& library_size, std::size_t population, std::size_t first,
                                     std::uint64_t seed) const {
  const std::size_t rows = library_size.size(), G = data().genes;
  Parameters averaged = parameters_->averaged(queue);
  std::vector<float> parameter(G);
  queue.read(parameter.data(), averaged.value(autoencoder_->gene_parameter).data, G * sizeof(float));
  std::vector<float> x(rows * G);
  if (counts_decoder()) {
    // A rate of each cell's own: the gamma part of the negative binomial, and its zero inflation.
    queue.cpu().pool.for_ranges(rows, 4, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i)
        for (std::size_t g = 0; g < G; ++g) {
          formulas::ElementRandom random{seed ^ 0x6a77a, 1, i, g};
          const float share = std::exp(std::min(d.logits[i * G + g], 0.0f));
          float rate = share * static_cast<float>(library_size[i]) *
                       formulas::unit_gamma(std::exp(std::min(parameter[g], 12.0f)), random);
          if (!d.zero.empty() && random.uniform() < 1 / (1 + std::exp(-d.zero[i * G + g]))) rate = 0;
          x[i * G + g] = rate;
        }
    });
    return draw_counts(queue, std::move(x), mean, library_size, population, first, seed,
                       options_.decoder_calibration == "on");
  }
  // Values: every gene moved until the population's mean is right, by bisection with the draws held.
  queue.cpu().pool.for_ranges(G, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t g = begin; g < end; ++g) {
      std::vector<double> at(rows);
      std::vector<bool> zero(rows, false);
      for (std::size_t i = 0; i < rows; ++i) {
        float z[4];
        normal4(seed ^ 0x7a1ceull, i, g, z);
        at[i] = static_cast<double>(d.logits[i * G + g]) +
                std::exp(static_cast<double>(parameter[g])) * static_cast<double>(z[0]);
        if (!d.zero.empty())
          zero[i] = uniform(philox(seed ^ 0x2e60ull, i, g).word[0]) < 1 / (1 + std::exp(-d.zero[i * G + g]));
      }
      auto value = [&](std::size_t i, double move) {
        if (zero[i]) return 0.0;
        return d.zero.empty() ? std::max(0.0, at[i] + move) : std::log1p(std::exp(std::min(at[i] + move, 11.0)));
      };
      double low = -12, high = 12;
      for (int step = 0; step < 40; ++step) {
        const double middle = (low + high) / 2;
        double sum = 0;
        for (std::size_t i = 0; i < population; ++i) sum += value(i, middle);
        (sum / static_cast<double>(population) < mean[g] ? low : high) = middle;
      }
      for (std::size_t i = first; i < rows; ++i) x[i * G + g] = static_cast<float>(value(i, (low + high) / 2));
    }
  });
  GeneratedCells cells;
  cells.count = rows - first, cells.genes = G;
  cells.expression.assign(x.begin() + static_cast<std::ptrdiff_t>(first * G), x.end());
  cells.library_size.assign(library_size.begin() + static_cast<std::ptrdiff_t>(first), library_size.end());
  return cells;
}

CausalVae::Population CausalVae::population(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const TrainingData& d = data();
  std::vector<std::size_t> pool = controls_of(d, q.context);
  if (pool.size() < few_controls) pool = cells_in_context(d, q.context);
  Population p;
  for (std::size_t i = 0; i < count; i += pool.size()) {
    const auto some = some_of(pool, std::min(pool.size(), count - i), seed + i);
    p.cells.insert(p.cells.end(), some.begin(), some.end());
  }
  const std::size_t K = width();
  std::vector<float> at, starts;
  for (const std::size_t cell : p.cells) {
    append(at, part(positions_, cell, 1, K)), append(starts, part(starts_, cell, 1, K));
    p.batches.push_back(d.batch_of(cell));
  }
  p.latents = encode_positions(queue, at, starts, true, seed);
  // Perturbed cells are moved back by their own operators.
  std::map<std::size_t, std::vector<float>> own;
  for (std::size_t i = 0; i < p.cells.size(); ++i) {
    if (d.condition[p.cells[i]] == 0) continue;
    auto& shift = own[pair_of_cell_[p.cells[i]]];
    if (shift.empty()) shift = latent_shift(queue, pairs_[pair_of_cell_[p.cells[i]]].query);
    for (std::size_t k = 0; k < K; ++k) p.latents.state[i * K + k] -= shift[k];
  }
  return p;
}

GeneratedCells CausalVae::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const Population p = population(queue, q, count, seed);
  const HostDecoded decoded = decode(queue, p.latents, latent_shift(queue, q), gene_offset(q), p.batches);
  return draw_cells(queue, decoded, predict_mean(queue, q), backbone_->moved_library_sizes(p.cells, q), count, 0, seed);
}

GeneratedCells CausalVae::counterfactual(Queue& queue, const Query& q, const GivenCells& given,
                                         std::uint64_t seed) const {
  const TrainingData& d = data();
  const std::size_t K = width(), G = d.genes;
  require_input(given.expression.size() == given.count * G, "counterfactual: the cells have ",
                given.expression.size() / std::max<std::size_t>(1, given.count), " genes but the model has ", G);
  // The given cells behind a population that sets the gene-level factors.
  Population p = population(queue, q, population_size, seed);
  std::vector<std::int32_t> contexts(given.count, static_cast<std::int32_t>(q.context)), batches;
  for (const std::int32_t b : given.batch) batches.push_back(std::max(0, b));
  LatentCells own = encode(queue, given.expression, contexts, batches);
  std::map<std::string, std::vector<float>> shifts;
  std::vector<double> sizes = backbone_->moved_library_sizes(p.cells, q);
  for (std::size_t i = 0; i < given.count; ++i) {
    const Condition& c = given.condition[i];
    p.batches.push_back(static_cast<std::size_t>(batches[i]));
    sizes.push_back(given.library_size[i]);
    if (c.is_control()) continue;
    auto& shift = shifts[canonical_label(c)];
    if (shift.empty()) shift = latent_shift(queue, {c, q.context});
    for (std::size_t k = 0; k < K; ++k) own.state[i * K + k] -= shift[k];
  }
  p.latents.cells += given.count;
  append(p.latents.state, own.state), append(p.latents.identity, own.identity);
  append(p.latents.technical, own.technical);
  const HostDecoded decoded = decode(queue, p.latents, latent_shift(queue, q), gene_offset(q), p.batches);
  return draw_cells(queue, decoded, predict_mean(queue, q), sizes, population_size, population_size, seed);
}

std::vector<double> CausalVae::own_mean(Queue& queue, const Query& q) const {
  const std::size_t G = data().genes;
  const Population p = population(queue, q, 200, 7);
  auto levels = [&](const Query& of, const std::vector<float>& shift) {
    const HostDecoded d = decode(queue, p.latents, shift, gene_offset(of), p.batches);
    std::vector<double> mean(G, 0);
    for (std::size_t i = 0; i < d.logits.size(); ++i) {
      double v = static_cast<double>(d.logits[i]);
      if (counts_decoder()) v = std::log1p(10000 * std::exp(std::min(v, 0.0)));
      if (!counts_decoder() && zero_logits()) v = std::log1p(std::exp(std::min(v, 11.0)));
      if (zero_logits()) v /= 1 + std::exp(static_cast<double>(d.zero[i]));
      mean[i % G] += v / static_cast<double>(p.cells.size());
    }
    return mean;
  };
  // As a change of the control's mean: what decoding itself gets wrong cancels.
  const Query control{{}, q.context};
  std::vector<double> mean = backbone_->mean(control);
  const auto to = levels(q, latent_shift(queue, q)), from = levels(control, std::vector<float>(width(), 0));
  for (std::size_t g = 0; g < G; ++g) mean[g] = std::max(0.0, mean[g] + to[g] - from[g]);
  return mean;
}

std::vector<double> CausalVae::predict_mean(Queue& queue, const Query& q) const {
  std::vector<double> mean = backbone_->mean(q);
  if (mean_share_ <= 0 || q.condition.is_control() || backbone_->was_seen(q)) return mean;
  const auto own = own_mean(queue, q);
  for (std::size_t g = 0; g < mean.size(); ++g) mean[g] += mean_share_ * (own[g] - mean[g]);
  return mean;
}

void CausalVae::choose_mean_share(Queue& queue) {
  const TrainingData& v = *data().validation;
  std::vector<JudgedShift> judged;
  for (ConditionMean& m : condition_means(v, v.expression)) {
    const auto mean = backbone_->mean(m.query);
    std::vector<double> shift = own_mean(queue, m.query);
    for (std::size_t g = 0; g < mean.size(); ++g) m.mean[g] -= mean[g], shift[g] -= mean[g];
    judged.push_back(JudgedShift::of(m.mean, shift));
  }
  const MeanShare share = perturbine::choose_mean_share(judged);
  mean_share_ = judged.size() < 3 ? 0 : share.taken;
  share_report_ = text("causal-vae: the network's best share of the mean is ", share.best, " on ", judged.size(),
                       " validation conditions, which takes ", 100 * share.gain, " % (standard error ",
                       100 * share.error, ") off the squared error; taken: ", mean_share_);
}

}  // namespace perturbine

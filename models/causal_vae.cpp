// The causal VAE's start in closed form: centres, the decoder's linear part, the operators.
#include "models/causal_vae.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace perturbine {
namespace {

constexpr double least_rate = .02;  // counts per 10,000 added to both sides of a ratio

}  // namespace

void CausalVae::check_options(const TrainingOptions& options) const {
  NetworkModel::check_options(options);
  require_input(options.space == "latent",
                "causal-vae: its latent space is its own; --space genes is for diffusion, "
                "flow and hybrid");
  require_input(options.decoder_calibration == "on" || options.likelihood.ends_with("negative-binomial"),
                "causal-vae: --likelihood ", options.likelihood,
                " samples values, which are always brought to their mean; --decoder-calibration "
                "off is for counts");
  require_input(options.batch_size >= 16, "causal-vae: --batch-size is ", options.batch_size,
                " but operators are matched on a quarter of it; at least 16 are needed");
}

void CausalVae::prepare_targets(Queue&) {
  const TrainingData& d = data();
  sizes_ = {};
  sizes_.positions = sizes_.state = width();
  sizes_.hidden = 2 * options_.hidden, sizes_.genes = d.genes;
  sizes_.contexts = d.contexts.size(), sizes_.batches = d.batch_count();
  sizes_.zero_logits = zero_logits();
  sizes_.gene_rate = DecodedGenes::rate_factor(d.genes);
  find_pairs();
  centre_cells();
  compress_cells();
  start_decoder();
  start_operators();
  mean_share_ = options_.network_mean == "auto" && d.validation != nullptr ? -1 : 0;
  share_report_.clear();
}

void CausalVae::declare(Parameters& parameters) {
  autoencoder_ = std::make_unique<CellAutoencoder>(parameters, sizes_);
  operators_ = std::make_unique<PerturbationOperators>(
      parameters, vocabulary_.sizes(options_.hidden).perturbations, sizes_.state,
      OperatorSettings{options_.dose_response, options_.interactions, options_.operator_gates == "sparse",
                       options_.penalty});
}

void CausalVae::find_pairs() {
  const TrainingData& d = data();
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> number;
  for (std::size_t i = 0; i < d.cells(); ++i) number[{d.condition[i], d.context[i]}] = 0;
  pairs_.clear();
  for (auto& [key, n] : number) {
    n = pairs_.size();
    pairs_.push_back({{d.conditions[static_cast<std::size_t>(key.first)], static_cast<std::size_t>(key.second)}, {}});
  }
  pair_of_cell_.clear();
  for (std::size_t i = 0; i < d.cells(); ++i) {
    pair_of_cell_.push_back(number[{d.condition[i], d.context[i]}]);
    pairs_[pair_of_cell_.back()].cells.push_back(i);
  }
}

void CausalVae::start_of(const float* position, std::size_t context, std::size_t batch, float* start) const {
  for (std::size_t k = 0; k < width(); ++k)
    start[k] = static_cast<float>(kept_[k]) * (position[k] - context_centre_[context][k] - batch_centre_[batch][k]);
}

void CausalVae::centre_cells() {
  const TrainingData& d = data();
  const std::size_t K = width();
  positions_ = positions_of(d.expression);
  kept_.clear();
  for (const double share : backbone_->space().technical_share) kept_.push_back(1 - share);
  // Of controls; of all cells where a context has none.
  auto centre = [&](std::size_t groups, auto&& group_of, auto&& subtract, double prior) {
    std::vector<std::vector<double>> sum(groups, std::vector<double>(K, 0)), any = sum;
    std::vector<double> count(groups, 0), any_count = count;
    for (std::size_t i = 0; i < d.cells(); ++i) {
      const std::size_t g = group_of(i);
      for (std::size_t k = 0; k < K; ++k) {
        const double p = static_cast<double>(positions_[i * K + k]) - subtract(i, k);
        any[g][k] += p;
        if (d.condition[i] == 0) sum[g][k] += p;
      }
      any_count[g] += 1;
      if (d.condition[i] == 0) count[g] += 1;
    }
    std::vector<std::vector<float>> centres(groups, std::vector<float>(K));
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t k = 0; k < K; ++k)
        centres[g][k] = static_cast<float>(count[g] > 0 ? sum[g][k] / (count[g] + prior)
                                                        : any[g][k] / std::max(1.0, any_count[g] + prior));
    return centres;
  };
  context_centre_ = centre(
      d.contexts.size(), [&](std::size_t i) { return static_cast<std::size_t>(d.context[i]); },
      [](std::size_t, std::size_t) { return 0.0; }, 0);
  batch_centre_.assign(d.batch_count(), std::vector<float>(K, 0));
  if (d.batch_count() > 1)
    batch_centre_ = centre(
        d.batch_count(), [&](std::size_t i) { return d.batch_of(i); },
        [&](std::size_t i, std::size_t k) {
          return static_cast<double>(context_centre_[static_cast<std::size_t>(d.context[i])][k]);
        },
        10);
  starts_.resize(d.cells() * K);
  for (std::size_t i = 0; i < d.cells(); ++i)
    start_of(positions_.data() + i * K, static_cast<std::size_t>(d.context[i]), d.batch_of(i), starts_.data() + i * K);
}

void CausalVae::compress_cells() {
  const TrainingData& d = data();
  compressed_ = {};
  for (std::size_t i = 0; i < d.cells(); ++i) {
    for (std::size_t g = 0; g < d.genes; ++g) {
      const double x = static_cast<double>(d.row(i)[g]);
      double v = x;
      if (counts_decoder())
        v = d.count(i, g);
      else if (zero_logits())
        v = std::expm1(x);
      if (v <= 0) continue;
      compressed_.add(g, static_cast<float>(v));
    }
    compressed_.end_cell();
  }
}

void CausalVae::start_decoder() {
  const TrainingData& d = data();
  const std::size_t G = d.genes, K = width(), B = d.batch_count();
  const bool counts = counts_decoder(), log_normal = !counts && zero_logits();
  // Sums over control cells (over all, where a context has none) of values, and what they are to be divided by.
  auto exposure = [&](std::size_t i) { return counts ? d.library_size[i] : 1.0; };
  auto each_value = [&](std::size_t i, auto&& body) {
    const CompressedCells& c = compressed_;
    for (auto k = static_cast<std::size_t>(c.row_offsets[i]); k < static_cast<std::size_t>(c.row_offsets[i + 1]); ++k)
      body(static_cast<std::size_t>(c.columns[k]), static_cast<double>(c.values[k]));
  };
  std::vector<std::vector<double>> context_sum(d.contexts.size(), std::vector<double>(G, 0));
  std::vector<double> context_exposure(d.contexts.size(), 0), all_sum(G, 0), positive(G, 0), log_sum(G, 0),
      log_square(G, 0);
  std::vector<bool> has_control(d.contexts.size(), false);
  for (std::size_t i = 0; i < d.cells(); ++i)
    if (d.condition[i] == 0) has_control[static_cast<std::size_t>(d.context[i])] = true;
  double all_exposure = 0;
  for (std::size_t i = 0; i < d.cells(); ++i) {
    const auto context = static_cast<std::size_t>(d.context[i]);
    each_value(i, [&](std::size_t g, double v) {
      positive[g] += 1;
      if (log_normal) log_sum[g] += std::log(v), log_square[g] += std::pow(std::log(v), 2);
    });
    if (has_control[context] && d.condition[i] != 0) continue;
    context_exposure[context] += exposure(i), all_exposure += exposure(i);
    each_value(i, [&](std::size_t g, double v) { context_sum[context][g] += v, all_sum[g] += v; });
  }
  // Level of a gene: logarithm of its share of the library (or of its value), or the value itself.
  const bool logarithm = counts || log_normal;
  const double floor = counts ? .5 / all_exposure : least_rate;
  auto level = [&](double mean) { return logarithm ? std::log(mean + floor) : mean; };
  bias_.assign(G, 0), zero_bias_.assign(G, -3);
  std::vector<double> share(G);
  for (std::size_t g = 0; g < G; ++g) {
    share[g] = all_sum[g] / all_exposure + (logarithm ? floor : 0);
    bias_[g] = log_normal ? (positive[g] > 0 ? log_sum[g] / positive[g] : 0) : level(all_sum[g] / all_exposure);
    if (log_normal) zero_bias_[g] = std::log((static_cast<double>(d.cells()) - positive[g] + 1) / (positive[g] + 1));
  }
  context_offset_.assign(d.contexts.size(), std::vector<float>(G, 0));
  std::vector<std::vector<double>> context_share(d.contexts.size(), share);
  for (std::size_t c = 0; c < d.contexts.size() && d.contexts.size() > 1; ++c) {
    // A context of few cells leans on all: two cells' worth.
    const double prior = 2 * all_exposure / static_cast<double>(d.cells());
    for (std::size_t g = 0; g < G; ++g) {
      const double mean = (context_sum[c][g] + prior * all_sum[g] / all_exposure) / (context_exposure[c] + prior);
      context_share[c][g] = mean + (logarithm ? floor : 0);
      context_offset_[c][g] = static_cast<float>(level(mean) - level(all_sum[g] / all_exposure));
    }
  }
  batch_offset_.assign(B, std::vector<float>(G, 0));
  if (B > 1) {
    std::vector<std::vector<double>> got(B, std::vector<double>(G, 0)), expected = got;
    std::vector<double> cells(B, 0);
    for (std::size_t i = 0; i < d.cells(); ++i) {
      if (d.condition[i] != 0) continue;
      const std::size_t b = d.batch_of(i);
      const auto& from = context_share[static_cast<std::size_t>(d.context[i])];
      cells[b] += 1;
      for (std::size_t g = 0; g < G; ++g) expected[b][g] += exposure(i) * from[g];
      each_value(i, [&](std::size_t g, double v) { got[b][g] += v; });
    }
    for (std::size_t b = 0; b < B; ++b)
      for (std::size_t g = 0; g < G && cells[b] > 0; ++g)
        batch_offset_[b][g] = static_cast<float>(logarithm ? std::log((got[b][g] + 10) / (expected[b][g] + 10))
                                                           : (got[b][g] - expected[b][g]) / (cells[b] + 10));
  }
  // Within pairs: slopes along the state, and what is left over. Slopes are those of log1p expression, which heavy
  // tails cannot move; of the mean m of a gene they are turned into slopes of its log-rate, which is m for a gene
  // rarely seen and 1 for one always seen: about 1 - exp(-m).
  loadings_ = HostMatrix(G, K);
  gene_parameter_.assign(G, 0);
  std::vector<double> spread(K, 1e-12), square(G, 0), expected_square(G, 0), sum(G, 0), mean(G, 0), scatter(G, 0);
  HostMatrix moment(G, K);
  const double cells = static_cast<double>(d.cells());
  for (const Pair& pair : pairs_) {
    const double n = static_cast<double>(pair.cells.size());
    std::vector<double> centre(K, 0), total(G, 0), level_sum(G, 0), r(K);
    double seen = 0, seen_square = 0;
    for (const std::size_t i : pair.cells) {
      for (std::size_t k = 0; k < K; ++k) centre[k] += static_cast<double>(starts_[i * K + k]) / n;
      seen += exposure(i), seen_square += exposure(i) * exposure(i);
      each_value(i, [&](std::size_t g, double v) { total[g] += v; });
    }
    for (std::size_t g = 0; g < G; ++g) total[g] /= seen;
    for (const std::size_t i : pair.cells) {
      for (std::size_t k = 0; k < K; ++k) {
        r[k] = static_cast<double>(starts_[i * K + k]) - centre[k];
        spread[k] += r[k] * r[k];
      }
      each_value(i, [&](std::size_t g, double v) {
        const auto y = static_cast<double>(d.row(i)[g]);
        for (std::size_t k = 0; k < K; ++k) moment(g, k) += y * r[k];  // r sums to zero: no mean to take off
        level_sum[g] += y, scatter[g] += y * y;
        square[g] += v * v - 2 * v * exposure(i) * total[g], sum[g] += v;
      });
    }
    for (std::size_t g = 0; g < G; ++g) {
      expected_square[g] += seen_square * total[g] * total[g];
      mean[g] += level_sum[g] / cells, scatter[g] -= level_sum[g] * level_sum[g] / n;
    }
  }
  for (std::size_t g = 0; g < G && !log_normal; ++g) {
    const double to_log_rate = counts ? 1 / std::max(.02, -std::expm1(-mean[g])) : 1;
    double explained = 0;
    for (std::size_t k = 0; k < K; ++k) {
      const double slope = moment(g, k) / spread[k], noise = scatter[g] / cells / spread[k];
      // The start is E[state | position], so that a share 1 - kept of the slope is the gene's own counting noise come
      // back through the position. Slopes within their own noise are taken back too.
      loadings_(g, k) = kept_[k] * to_log_rate * slope * slope * slope / (slope * slope + noise + 1e-12);
      explained += loadings_(g, k) * loadings_(g, k) * spread[k] / kept_[k] / cells;
    }
    if (counts && explained > 1) {  // a log-rate moves by 1 in a standard deviation at most: rare genes lead astray
      for (std::size_t k = 0; k < K; ++k) loadings_(g, k) /= std::sqrt(explained);
      explained = 1;
    }
    if (counts) {
      const double excess =
          (square[g] + expected_square[g] - sum[g]) / std::max(expected_square[g], 1e-9) - std::expm1(explained);
      gene_parameter_[g] = -std::log(std::clamp(excess, .02, 10.0));
    } else {
      gene_parameter_[g] = .5 * std::log(std::max(1e-4, scatter[g] / cells - explained));
    }
  }
  for (std::size_t g = 0; g < G && log_normal; ++g) {
    const double n = std::max(1.0, positive[g]);
    gene_parameter_[g] = .5 * std::log(std::max(.01, log_square[g] / n - bias_[g] * bias_[g]));
  }
}

void CausalVae::start_operators() {
  const std::size_t K = width(), P = vocabulary_.sizes(options_.hidden).perturbations;
  delta_ = HostMatrix(std::max<std::size_t>(1, P), K);
  std::vector<const Pair*> perturbed;
  for (const Pair& p : pairs_)
    if (!p.query.condition.is_control()) perturbed.push_back(&p);
  if (perturbed.empty()) return;
  // Mean states of conditions (controls are at zero) on which perturbations they hold, each as sure as its cells.
  HostMatrix A(perturbed.size(), P), Y(perturbed.size(), K);
  for (std::size_t i = 0; i < perturbed.size(); ++i) {
    const double n = static_cast<double>(perturbed[i]->cells.size()), root = std::sqrt(n);
    for (const auto& part : perturbed[i]->query.condition.parts)
      A(i, static_cast<std::size_t>(vocabulary_.number(part.name))) = root * part.weight;
    for (const std::size_t cell : perturbed[i]->cells)
      for (std::size_t k = 0; k < K; ++k) Y(i, k) += root * static_cast<double>(starts_[cell * K + k]) / n;
  }
  delta_ = ridge(A, Y, 2);
}

void CausalVae::initialise(Queue& queue, Parameters& parameters) const {
  NetworkModel::initialise(queue, parameters);
  std::vector<float> values = parameters.values().get(queue);
  auto set = [&](Parameter p, auto&& value) {
    const auto& s = parameters.segments()[p.index];
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t c = 0; c < s.columns; ++c)
        if (const std::optional<double> v = value(r, c)) values[s.begin + r * s.columns + c] = static_cast<float>(*v);
  };
  using Maybe = std::optional<double>;
  const std::size_t K = sizes_.state;
  const auto& technical = backbone_->space().technical_share;
  set(autoencoder_->decoder_weight,
      [&](std::size_t g, std::size_t k) { return k < K ? Maybe(loadings_(g, k)) : std::nullopt; });
  set(autoencoder_->decoder_bias, [&](std::size_t, std::size_t g) { return Maybe(bias_[g]); });
  set(autoencoder_->gene_parameter, [&](std::size_t, std::size_t g) { return Maybe(gene_parameter_[g]); });
  if (sizes_.zero_logits)
    set(autoencoder_->zero_bias, [&](std::size_t, std::size_t g) { return Maybe(zero_bias_[g]); });
  // The posterior of a Gaussian state of variance kept * v under counting noise of variance (1 - kept) * v.
  set(autoencoder_->state_bias, [&](std::size_t, std::size_t k) {
    return k < K ? std::nullopt
                 : Maybe(std::log(1e-4 + static_cast<double>(variance_[k - K]) * kept_[k - K] * technical[k - K]));
  });
  set(autoencoder_->state_prior,
      [&](std::size_t, std::size_t k) { return Maybe(std::log(1e-3 + static_cast<double>(variance_[k]) * kept_[k])); });
  // Gates start at sigmoid(1).
  const double gate = options_.operator_gates == "sparse" ? 1 / (1 + std::exp(-1.0)) : 1;
  set(operators_->table(), [&](std::size_t p, std::size_t k) { return Maybe(delta_(p, k) / gate); });
  parameters.set_values(queue, values);
  parameters.average().set(queue, values);
}

std::vector<double> CausalVae::gene_change(const Query& q) const {
  const auto to = backbone_->mean(q), from = backbone_->mean({{}, q.context});
  std::vector<double> change(to.size());
  for (std::size_t g = 0; g < to.size(); ++g)
    change[g] = counts_decoder() || zero_logits()
                    ? std::log((std::expm1(to[g]) + least_rate) / (std::expm1(from[g]) + least_rate))
                    : to[g] - from[g];
  return change;
}

Condition CausalVae::known_parts(const Condition& c) const {
  Condition known;
  for (const auto& p : c.parts)
    if (vocabulary_.number(p.name) >= 0) known.parts.push_back(p);
  return known;
}

std::vector<double> CausalVae::unknown_shift(const Query& q) const {
  std::vector<double> shift(width(), 0);
  const Condition known = known_parts(q.condition);
  if (known == q.condition) return shift;
  const auto with = backbone_->mean(q), without = backbone_->mean({known, q.context});
  std::vector<float> change(with.size());
  for (std::size_t g = 0; g < with.size(); ++g) change[g] = static_cast<float>(with[g] - without[g]);
  const auto coordinates = backbone_->space().coordinates(change, 1);
  for (std::size_t k = 0; k < shift.size(); ++k) shift[k] = kept_[k] * scale_ * static_cast<double>(coordinates[k]);
  return shift;
}

std::vector<double> CausalVae::started_shift(const Query& q) const {
  std::vector<double> shift = unknown_shift(q);
  for (const auto& part : known_parts(q.condition).parts) {
    double dose = part.weight;
    if (options_.dose_response != "linear") {
      const float start[4] = {};
      const DoseCurve curve = options_.dose_response == "sigmoid" ? DoseCurve::sigmoid : DoseCurve::monotone;
      dose = static_cast<double>(formulas::dose_response(curve, static_cast<float>(dose), start).value);
    }
    const auto p = static_cast<std::size_t>(vocabulary_.number(part.name));
    for (std::size_t k = 0; k < shift.size(); ++k) shift[k] += dose * delta_(p, k);
  }
  return shift;
}

std::vector<float> CausalVae::gene_offset(const Query& q) const {
  std::vector<float> offset = context_offset_[q.context];
  if (q.condition.is_control()) return offset;
  const auto change = gene_change(q), shift = started_shift(q);
  for (std::size_t g = 0; g < offset.size(); ++g) {
    double rest = change[g];
    for (std::size_t k = 0; k < shift.size(); ++k) rest -= loadings_(g, k) * shift[k];
    offset[g] += static_cast<float>(rest);
  }
  return offset;
}

}  // namespace perturbine

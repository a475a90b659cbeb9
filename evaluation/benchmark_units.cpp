#include "evaluation/benchmark_units.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evaluation/enrichment.h"
#include "kernels/random/random.h"
#include "models/expression_density.h"
#include "models/model_variant.h"
#include "models/time_course.h"

namespace perturbine {
namespace {

using Score = std::function<void(std::size_t entry, const HeldOut& truth, const Prediction& prediction)>;

// An even choice of at most 150 cells on the first two principal components.
std::vector<float> on_two_components(const EvaluationSpace& space, const std::vector<float>& cells, std::size_t count) {
  const std::size_t genes = space.components.mean.size(), n = std::min<std::size_t>(150, count);
  std::vector<float> some, out;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = cells.begin() + static_cast<std::ptrdiff_t>(i * count / n * genes);
    some.insert(some.end(), row, row + static_cast<std::ptrdiff_t>(genes));
  }
  const std::vector<float> z = project(space.components, some.data(), n);
  const std::size_t width = space.components.components.rows;
  for (std::size_t i = 0; i < n; ++i) out.push_back(z[i * width]), out.push_back(width > 1 ? z[i * width + 1] : 0.0f);
  return out;
}

// Mean over at most 64 held-out cells, evenly chosen.
double mean_bits_per_gene(Queue& queue, const Model& model, const LatentSpace& space, const Query& query,
                          const HeldOut& t, std::uint64_t seed) {
  const std::size_t n = std::min<std::size_t>(64, t.real_cells);
  std::vector<float> some;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = t.real.begin() + static_cast<std::ptrdiff_t>(i * t.real_cells / n * t.genes);
    some.insert(some.end(), row, row + static_cast<std::ptrdiff_t>(t.genes));
  }
  const auto bits = bits_per_gene(queue, model, space, query, some, {.steps = 30, .probes = 2, .seed = seed});
  return std::accumulate(bits.begin(), bits.end(), 0.0) / static_cast<double>(n);
}

// What a page shows of a condition: cells on two components, and the values of the genes that changed most.
void sketch(const EvaluationSpace& space, const HeldOut& t, const Prediction& p, UnitScores::Entry& e) {
  e.real_cells = on_two_components(space, t.real, t.real_cells);
  e.generated_cells = on_two_components(space, p.cells, p.count);
  const auto control = control_mean(t);
  std::vector<std::size_t> order(t.genes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto change = [&](std::size_t g) { return std::abs(t.real_mean[g] - control[g]); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return change(a) > change(b); });
  order.resize(std::min<std::size_t>(4, order.size()));
  e.genes = order;
  auto take = [&](const std::vector<float>& cells, std::size_t count, std::vector<float>& to) {
    const std::size_t n = std::min<std::size_t>(150, count);
    for (const std::size_t g : order)
      for (std::size_t i = 0; i < n; ++i) to.push_back(cells[i * count / n * t.genes + g]);
  };
  take(t.real, t.real_cells, e.real_values), take(p.cells, p.count, e.generated_values);
}

// One half of the held-out cells predicts the other.
void replicate(const std::vector<HeldOut>& truths, std::uint64_t seed, const Score& score) {
  for (std::size_t k = 0; k < truths.size(); ++k) {
    const HeldOut& t = truths[k];
    std::vector<std::uint32_t> order(t.real_cells);
    random_permutation(seed, k, order.data(), order.size());
    HeldOut half = t;
    Prediction p;
    half.real.clear();
    half.real_cells = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      auto& to = i < order.size() / 2 ? p.cells : half.real;
      to.insert(to.end(), t.real.begin() + static_cast<std::ptrdiff_t>(order[i] * t.genes),
                t.real.begin() + static_cast<std::ptrdiff_t>((order[i] + 1) * t.genes));
    }
    set_moments(half, half.real);
    p.count = order.size() / 2, half.real_cells = order.size() - p.count;
    if (p.count < 2) continue;
    p.mean.assign(t.genes, 0);
    for (std::size_t i = 0; i < p.count; ++i)
      for (std::size_t g = 0; g < t.genes; ++g)
        p.mean[g] += static_cast<double>(p.cells[i * t.genes + g]) / static_cast<double>(p.count);
    score(k, half, p);
  }
}

// The simulator itself: fresh cells of the truth, and its mean over many.
void true_sampler(const Simulator& truth, const Dataset& data, const Fold& fold, const std::vector<HeldOut>& truths,
                  std::size_t cells, std::uint64_t seed, const Score& score) {
  for (std::size_t k = 0; k < truths.size(); ++k) {
    const Fold::Entry& e = fold.test[k];
    const auto type = static_cast<std::size_t>(data.cell_type[e.cells[0]]);
    const Condition& c = data.conditions[data.condition_index(e.label)];
    Prediction p;
    p.mean = truth.mean(c, type, 1000);
    p.count = cells;
    for (std::size_t i = 0; i < cells; ++i) {
      const auto cell = truth.sample(c, type, i % truth.settings().batches, 500000 + seed * 1000 + i);
      for (const float count : cell.counts)
        p.cells.push_back(static_cast<float>(std::log1p(10000 * static_cast<double>(count) / cell.library_size)));
    }
    score(k, truths[k], p);
  }
}

// A model or baseline.
void model_unit(Queue& queue, const Dataset& data, const Fold& fold, const TrainingData& train,
                const std::vector<HeldOut>& truths, const std::string& name, const TrainingOptions& training,
                std::size_t cells, const std::shared_ptr<const Backbone>& backbone, const Score& score,
                UnitScores& unit) {
  std::unique_ptr<Model> own;
  const std::string kind = model_of_variant(name);
  if (kind != "backbone") {
    own = make_model(kind);
    own->use_backbone(backbone);
    own->fit(queue, train, training, [&](const TrainingProgress& p) {
      unit.loss.insert(unit.loss.end(), {static_cast<float>(p.step), static_cast<float>(p.loss)});
      if (p.validation)
        unit.validation.insert(unit.validation.end(), {static_cast<float>(p.step), static_cast<float>(*p.validation)});
      return true;
    });
  }
  const Model* model = kind == "backbone" ? backbone.get() : own.get();
  for (std::size_t k = 0; k < truths.size(); ++k) {
    const Fold::Entry& e = fold.test[k];
    const auto context = static_cast<std::size_t>(std::find(data.contexts.begin(), data.contexts.end(), e.context) -
                                                  data.contexts.begin());
    const std::size_t label = data.condition_index(e.label);
    const bool trained =
        std::find(train.conditions.begin(), train.conditions.end(), data.conditions[label]) != train.conditions.end();
    const Query query = data.times.empty() || trained ? Query{data.conditions[label], context}
                                                      : query_at(train, data.times[label], context);
    Prediction p;
    p.mean = model->predict_mean(queue, query);
    p.stated = model->state_mean(query, truths[k].all_cells);
    if (model->samples()) {
      GeneratedCells made = model->sample(queue, query, cells, training.seed * 1000003 + k);
      p.count = made.count;
      p.cells = std::move(made.expression);
    }
    if (model->has_likelihood(query) && truths[k].real_cells > 0)
      p.bits_per_gene = mean_bits_per_gene(queue, *model, backbone->space(), query, truths[k], training.seed);
    score(k, truths[k], p);
  }
}

}  // namespace

ConditionPicture picture(const std::string& model, const Fold::Entry& entry, const HeldOut& t,
                         const UnitScores::Entry& e, const EvaluationSpace& space) {
  ConditionPicture p;
  p.model = model, p.condition = entry.label, p.context = entry.context;
  p.real = e.real_cells, p.generated = e.generated_cells;
  p.real_values = e.real_values, p.generated_values = e.generated_values;
  for (const std::size_t g : e.genes) p.genes.push_back(space.gene_names[g]);
  if (t.additive_delta) p.additive_change.assign(t.additive_delta->begin(), t.additive_delta->end());
  const auto control = control_mean(t);
  for (std::size_t g = 0; g < t.genes; ++g) {
    p.real_change.push_back(static_cast<float>(t.real_mean[g] - control[g]));
    p.predicted_change.push_back(static_cast<float>(e.mean[g] - control[g]));
  }
  if (!space.gene_sets.empty()) {
    const auto real = enrichment(space.gene_sets, {p.real_change.begin(), p.real_change.end()}),
               predicted = enrichment(space.gene_sets, {p.predicted_change.begin(), p.predicted_change.end()});
    for (std::size_t k = 0; k < real.size(); ++k)
      p.enrichment.insert(p.enrichment.end(), {static_cast<float>(real[k]), static_cast<float>(predicted[k])});
  }
  return p;
}

UnitScores run_unit(Queue& queue, const BenchmarkUnit& u) {
  UnitScores scores;
  const Score score = [&](std::size_t k, const HeldOut& truth, const Prediction& p) {
    UnitScores::Entry e;
    e.number = k, e.mean = p.mean;
    e.values = evaluate_condition(queue, u.space, truth, p, &e.pit);
    if (u.pictured(k) && p.count > 0) sketch(u.space, truth, p, e);
    scores.entries.push_back(std::move(e));
  };
  if (u.model == "replicate")
    replicate(u.truths, u.training.seed, score);
  else if (u.model == "true-sampler")
    true_sampler(*u.simulator, u.data, u.fold, u.truths, u.cells, u.training.seed, score);
  else
    model_unit(queue, u.data, u.fold, u.train, u.truths, u.model, u.training, u.cells, u.backbone, score, scores);
  return scores;
}

}  // namespace perturbine

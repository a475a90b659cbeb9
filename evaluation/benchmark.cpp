#include "evaluation/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "evaluation/finished_units.h"
#include "evaluation/scoring.h"
#include "io/file.h"
#include "io/simulator.h"
#include "kernels/core/philox.h"
#include "kernels/random/random.h"
#include "models/backbone.h"
#include "models/mean_model.h"
#include "models/time_course.h"

namespace perturbine {

TrainingData training_data(const Dataset& data, const Fold& fold, Role role) {
  TrainingData t;
  const auto cells = fold.cells_with(role);
  t.genes = data.genes(), t.gene_names = data.gene_names;
  t.contexts = data.contexts, t.batches = data.batches;
  // Conditions without training cells are not known to the model.
  std::vector<std::int32_t> number(data.labels.size(), -1);
  std::set<std::int32_t> present;
  for (const std::size_t i : cells) present.insert(data.condition[i]);
  present.insert(0);
  for (const std::int32_t c : present) {
    number[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(t.conditions.size());
    t.conditions.push_back(data.conditions[static_cast<std::size_t>(c)]);
    if (!data.times.empty()) t.times.push_back(data.times[static_cast<std::size_t>(c)]);
  }
  for (const std::size_t i : cells) {
    t.condition.push_back(number[static_cast<std::size_t>(data.condition[i])]);
    t.context.push_back(data.context[i]), t.batch.push_back(data.batch[i]);
    t.library_size.push_back(data.library_size[i]);
  }
  t.expression = data.expression(cells);
  return t;
}

TrainingData data_for_models(const Dataset& data, const Fold& fold,
                             const std::shared_ptr<const PerturbationFeatures>& features) {
  TrainingData t = training_data(data, fold);
  t.features = features;
  if (!fold.validation.empty()) {
    TrainingData v = training_data(data, fold, Role::validation);
    // Times of a course that do not train are to a model what their neighbours are.
    for (std::size_t c = 1; c < v.times.size(); ++c) v.conditions[c] = query_at(t, v.times[c], 0).condition;
    t.validation = std::make_shared<const TrainingData>(std::move(v));
  }
  return t;
}

EvaluationSpace evaluation_space(const Dataset& data) {
  std::vector<std::size_t> all(data.cells());
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (all.size() > 6000) {  // the axes of a large file are those of an even sample of it
    std::vector<std::size_t> some;
    for (std::size_t i = 0; i < 6000; ++i) some.push_back(i * all.size() / 6000);
    all = some;
  }
  const auto x = data.expression(all);
  return {data.gene_names, principal_components(x.data(), all.size(), data.genes(), 50)};
}

HeldOut held_out(const Dataset& data, const EffectTable& effects, const Fold::Entry& entry) {
  HeldOut t;
  t.genes = data.genes();
  // Evenly chosen, at most 400.
  std::vector<std::size_t> cells;
  const std::size_t want = std::min<std::size_t>(400, entry.cells.size());
  for (std::size_t i = 0; i < want; ++i) cells.push_back(entry.cells[i * entry.cells.size() / want]);
  t.real = data.expression(cells);
  t.real_cells = cells.size();
  set_moments(t, entry.cells.size() == cells.size() ? t.real : data.expression(entry.cells));
  std::vector<std::size_t> controls;
  for (std::size_t i = 0; i < data.cells(); ++i)
    if (data.condition[i] == 0 && data.contexts[static_cast<std::size_t>(data.context[i])] == entry.context)
      controls.push_back(i);
  require_input(controls.size() >= 2, "context '", entry.context, "' has ", controls.size(),
                " control cells; at least 2 are needed to judge changes against");
  t.control = data.expression(controls);
  t.control_cells = controls.size();
  std::vector<double> control_mean(t.genes, 0);
  for (std::size_t i = 0; i < t.control_cells; ++i)
    for (std::size_t g = 0; g < t.genes; ++g)
      control_mean[g] += static_cast<double>(t.control[i * t.genes + g]) / static_cast<double>(t.control_cells);
  t.training_mean = control_mean;
  for (const auto& r : effects.rows())
    for (std::size_t g = 0; g < t.genes; ++g)
      t.training_mean[g] += r.delta[g] / static_cast<double>(effects.rows().size());
  const Condition& c = data.conditions[data.condition_index(entry.label)];
  if (c.parts.size() == 2 && stratum_of(c, effects).seen == 2)
    t.additive_delta = FittedMean(effects, {MeanRule::Kind::additive, 0, 0}).delta(c);
  return t;
}

Interval bootstrap(const std::vector<std::pair<std::string, double>>& values, std::uint64_t seed) {
  std::map<std::string, std::pair<double, double>> sums;  // per condition: sum and count
  double total = 0;
  for (const auto& [condition, v] : values) {
    sums[condition].first += v;
    sums[condition].second += 1;
    total += v;
  }
  Interval r;
  r.n = values.size();
  if (values.empty()) return {std::nan(""), std::nan(""), std::nan(""), 0};
  r.mean = total / static_cast<double>(values.size());
  std::vector<std::pair<double, double>> groups;
  for (const auto& [c, s] : sums) groups.push_back(s);
  if (groups.size() == 1) {  // one condition says nothing of others: what is left to vary are the seeds
    groups.clear();
    for (const auto& [c, v] : values) groups.emplace_back(v, 1);
    if (groups.size() == 1) {
      r.low = r.high = std::nan("");
      return r;
    }
  }
  std::vector<double> means;
  for (std::uint64_t b = 0; b < 1000; ++b) {
    double s = 0, n = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const auto& g =
          groups[static_cast<std::size_t>((std::uint64_t{philox(seed, b, i).word[0]} * groups.size()) >> 32)];
      s += g.first, n += g.second;
    }
    means.push_back(s / n);
  }
  std::sort(means.begin(), means.end());
  r.low = means[25], r.high = means[974];
  return r;
}

void summarise(BenchmarkResults& r) {
  // What rounding leaves of two equal numbers is no difference.
  auto difference = [](double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b) ? 0 : a - b; };
  std::set<std::string> groups{"all"};
  for (const ResultRow& row : r.rows)
    if (!row.group.empty()) groups.insert(row.group);
  r.groups.assign(groups.begin(), groups.end());
  auto key = [](const ResultRow& row) { return row.fold + "|" + row.condition + "|" + row.context; };
  // One pass: values by (model, group, metric).
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<const ResultRow*>> table;
  for (const ResultRow& row : r.rows) {
    if (row.value.status == "not-applicable") continue;
    table[{row.model, "all", row.value.metric}].push_back(&row);
    if (!row.group.empty()) table[{row.model, row.group, row.value.metric}].push_back(&row);
  }
  const std::vector<const ResultRow*> none;
  auto rows_of = [&](const std::string& model, const std::string& group,
                     const std::string& metric) -> const std::vector<const ResultRow*>& {
    const auto found = table.find({model, group, metric});
    return found == table.end() ? none : found->second;
  };
  for (const std::string& model : r.models)
    for (const std::string& group : r.groups)
      for (const std::string& metric : metric_names()) {
        std::vector<std::pair<std::string, double>> values;
        for (const ResultRow* row : rows_of(model, group, metric)) values.emplace_back(key(*row), row->value.value);
        if (values.empty()) continue;
        r.summary.push_back({model, group, metric, bootstrap(values, 1)});
        if (model == "backbone" || model == "replicate" || model == "true-sampler") continue;
        // Paired by condition and seed; a baseline without seeds is the same for each.
        std::map<std::string, std::pair<double, double>> base;
        for (const ResultRow* row : rows_of("backbone", group, metric)) {
          auto& b = base[key(*row)];
          b.first += row->value.value, b.second += 1;
        }
        std::vector<std::pair<std::string, double>> differences;
        for (const ResultRow* row : rows_of(model, group, metric))
          if (const auto found = base.find(key(*row)); found != base.end())
            differences.emplace_back(key(*row),
                                     difference(row->value.value, found->second.first / found->second.second));
        if (!differences.empty()) r.paired.push_back({model, group, metric, bootstrap(differences, 2)});
      }
}

namespace {

using Score = std::function<void(std::size_t entry, const HeldOut& truth, const Prediction& prediction)>;

template <class T>
std::string hash_of(const std::vector<T>& v) {
  return sha256(v.data(), v.size() * sizeof(T)) + "\n";
}
// What scores depend on besides model, seed and options.
std::string key_of(const Dataset& d) {
  return d.sha256 + "\n" + hash_of(d.counts.values) + hash_of(d.library_size) + hash_of(d.context) + hash_of(d.batch);
}
std::string key_of(const Fold& fold, const Dataset& data) {
  std::string key = hash_of(fold.cells_with(Role::train)) + hash_of(fold.cells_with(Role::validation));
  for (const Fold::Entry& e : fold.test) key += e.label + "|" + e.context + "|" + e.group + "|" + hash_of(e.cells);
  return key + hash_of(data.condition);
}

std::vector<double> control_mean(const HeldOut& t) {
  std::vector<double> control(t.genes, 0);
  for (std::size_t i = 0; i < t.control.size(); ++i)
    control[i % t.genes] += static_cast<double>(t.control[i]) / static_cast<double>(t.control_cells);
  return control;
}

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

ConditionPicture picture(const std::string& model, const Fold::Entry& entry, const HeldOut& t,
                         const UnitScores::Entry& e, const std::vector<std::string>& genes) {
  ConditionPicture p{model, entry.label,   entry.context,     {}, {}, e.real_cells, e.generated_cells, {},
                     {},    e.real_values, e.generated_values};
  for (const std::size_t g : e.genes) p.genes.push_back(genes[g]);
  if (t.additive_delta) p.additive_change.assign(t.additive_delta->begin(), t.additive_delta->end());
  const auto control = control_mean(t);
  for (std::size_t g = 0; g < t.genes; ++g) {
    p.real_change.push_back(static_cast<float>(t.real_mean[g] - control[g]));
    p.predicted_change.push_back(static_cast<float>(e.mean[g] - control[g]));
  }
  return p;
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
void true_sampler(const Dataset& data, const Fold& fold, const std::vector<HeldOut>& truths, std::size_t cells,
                  std::uint64_t seed, const Score& score) {
  const Simulator truth = read_simulation(data.path);
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

// A model or baseline. One backbone serves all models and seeds of a fold: it depends on neither.
void model_unit(Queue& queue, const Dataset& data, const Fold& fold, const TrainingData& train,
                const std::vector<HeldOut>& truths, const std::string& name, const TrainingOptions& training,
                std::size_t cells, std::shared_ptr<const Backbone>& backbone, const Score& score, UnitScores& unit) {
  const bool builds_on_backbone = name == "backbone" || is_trainable(name);
  if (builds_on_backbone && !backbone) {
    const auto fitted = std::make_shared<Backbone>();
    fitted->fit(queue, train, training, {});
    backbone = fitted;
  }
  std::unique_ptr<Model> own;
  if (name != "backbone") {
    own = make_model(name);
    own->use_backbone(backbone);
    own->fit(queue, train, training, [&](const TrainingProgress& p) {
      unit.loss.insert(unit.loss.end(), {static_cast<float>(p.step), static_cast<float>(p.loss)});
      if (p.validation)
        unit.validation.insert(unit.validation.end(), {static_cast<float>(p.step), static_cast<float>(*p.validation)});
      return true;
    });
  }
  const Model* model = name == "backbone" ? backbone.get() : own.get();
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
    score(k, truths[k], p);
  }
}

}  // namespace

BenchmarkResults run_benchmark(Queue& queue, const Dataset& data, const std::vector<SplitLists>& split,
                               const BenchmarkOptions& o, const std::function<void(const std::string&)>& say) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& m : o.models)
    if (m == "true-sampler")
      require_input(data.simulated, data.path, ": is not simulated; true-sampler needs the simulator's truth");
    else if (m != "replicate")
      make_model(m);  // an unknown name is refused before anything runs
  require_input(!o.models.empty(), "--models is empty");
  require_input(!o.seeds.empty(), "--seeds is empty");
  BenchmarkResults r;
  r.models = o.models;
  r.seeds = o.seeds;
  r.cells = o.cells;
  r.data_path = data.path, r.data_sha256 = data.sha256, r.simulated = data.simulated,
  r.library_size_source = data.library_size_source;
  const EvaluationSpace space = evaluation_space(data);
  Scoring scoring(queue, space, r);
  std::vector<Fold> folds;
  for (const SplitLists& lists : split) {
    folds.push_back(apply_split(lists, data));
    require_input(!folds.back().test.empty(), "split", lists.name.empty() ? "" : " " + lists.name,
                  ": has no test entry");
  }
  const FinishedUnits finished(o.unfinished);
  // Pictures: an even choice of four of all held-out conditions.
  std::map<const Fold*, std::size_t> first_entry;
  std::size_t entries = 0;
  for (const Fold& fold : folds) first_entry[&fold] = entries, entries += fold.test.size();
  auto pictured = [&](const Fold& fold, std::size_t k) {
    const std::size_t at = first_entry[&fold] + k, count = std::min<std::size_t>(4, entries);
    for (std::size_t i = 0; i < count; ++i)
      if (at == i * entries / count) return true;
    return false;
  };
  std::string data_key = key_of(data);
  if (o.features) {
    for (const std::string& name : o.features->names) data_key += name + ",";
    data_key += "\n" + hash_of(o.features->values);
  }
  for (const Fold& fold : folds) {
    const TrainingData train = data_for_models(data, fold, o.features);
    std::vector<HeldOut> truths;
    const EffectTable effects(train);
    for (const Fold::Entry& e : fold.test) truths.push_back(held_out(data, effects, e));
    std::shared_ptr<const Backbone> backbone;
    const std::string fold_key = data_key + key_of(fold, data);
    for (const std::string& name : o.models) {
      for (const std::uint64_t seed : o.seeds) {
        TrainingOptions training = o.training;
        training.seed = seed;
        const std::string key =
            fold_key + text("model ", name, " cells ", o.cells, " seed ", seed, "\n", options_text(training));
        const std::string what = text(fold.name.empty() ? "" : fold.name + ": ", name, ", seed ", seed);
        std::optional<UnitScores> unit = finished.load(key);
        if (!unit) {
          if (o.stop && o.stop()) throw Stopped{};
          say(what);
          unit.emplace();
          auto score = [&](std::size_t k, const HeldOut& truth, const Prediction& p) {
            UnitScores::Entry e;
            e.number = k, e.mean = p.mean;
            e.values = evaluate_condition(queue, space, truth, p, &e.pit);
            if (pictured(fold, k) && p.count > 0) sketch(space, truth, p, e);
            unit->entries.push_back(std::move(e));
          };
          if (name == "replicate")
            replicate(truths, seed, score);
          else if (name == "true-sampler")
            true_sampler(data, fold, truths, o.cells, seed, score);
          else
            model_unit(queue, data, fold, train, truths, name, training, o.cells, backbone, score, *unit);
          finished.store(key, *unit);
        } else {
          say(what + ": done before");
        }
        if (!unit->loss.empty() && &fold == &folds.front() && seed == o.seeds.front())
          r.training.push_back({name, unit->loss, unit->validation});
        for (const UnitScores::Entry& e : unit->entries) {
          scoring.add(name, seed, fold.name, fold.test[e.number], truths[e.number], e.mean, e.values);
          if (!e.generated_cells.empty() && seed == o.seeds.front() && (name == "backbone" || is_trainable(name)))
            r.pictures.push_back(picture(name, fold.test[e.number], truths[e.number], e, data.gene_names));
          scoring.add_pit(name, e.pit);
        }
      }
    }
  }
  scoring.finish();
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return r;
}

}  // namespace perturbine

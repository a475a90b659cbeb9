#include "evaluation/benchmark.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <thread>

#include "evaluation/benchmark_units.h"
#include "evaluation/finished_units.h"
#include "evaluation/scoring.h"
#include "io/file.h"
#include "io/simulator.h"
#include "kernels/core/philox.h"
#include "kernels/random/random.h"
#include "models/backbone.h"
#include "models/mean_model.h"
#include "models/model_variant.h"
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
  t.training_mean = control_mean(t);
  for (const auto& r : effects.rows())
    for (std::size_t g = 0; g < t.genes; ++g)
      t.training_mean[g] += r.delta[g] / static_cast<double>(effects.rows().size());
  const Condition& c = data.conditions[data.condition_index(entry.label)];
  if (c.parts.size() == 2 && stratum_of(c, effects).seen == 2)
    t.additive_delta = FittedMean(effects, {MeanRule::Kind::additive, 0, 0}).delta(c);
  return t;
}

namespace {

// Twice the same would count as two, and intervals would be too narrow.
template <class T>
void require_each_once(const std::vector<T>& list, const char* option) {
  std::set<T> seen;
  for (const T& entry : list) require_input(seen.insert(entry).second, option, ": ", entry, " is named twice");
}

template <class T>
std::string hash_of(const std::vector<T>& v) {
  return sha256(v.data(), v.size() * sizeof(T)) + "\n";
}
// What scores depend on besides model, seed and options.
std::string key_of(const Dataset& d) {
  return d.sha256 + "\n" + hash_of(d.counts.values) + hash_of(d.library_size) + hash_of(d.context) + hash_of(d.batch) +
         hash_of(d.times);
}
std::string key_of(const Fold& fold, const Dataset& data) {
  std::string key = hash_of(fold.cells_with(Role::train)) + hash_of(fold.cells_with(Role::validation));
  for (const Fold::Entry& e : fold.test) key += e.label + "|" + e.context + "|" + e.group + "|" + hash_of(e.cells);
  return key + hash_of(data.condition);
}

// A fold under way.
struct FoldWork {
  std::once_flag prepared;
  TrainingData train;
  std::vector<HeldOut> truths;
  // One backbone serves all models and seeds whose options agree in what it depends on.
  struct SharedBackbone {
    std::once_flag fitted;
    std::shared_ptr<const Backbone> backbone;
  };
  std::mutex guard;
  std::map<std::string, SharedBackbone> backbones;
  std::string key;
  std::vector<UnitScores> units;
  void forget() { train = {}, truths.clear(), units.clear(), backbones.clear(); }
};

// Runs tasks 0 ... groups * size - 1, on the CPU one on every thread of the queue at a time, each with a queue of one
// thread (results do not depend on the number), and calls `group_done` in order on this thread. Throws Stopped when
// `stop` says so, and the first exception of a task.
void run_in_order(Queue& queue, std::size_t groups, std::size_t size,
                  const std::function<void(Queue&, std::size_t task)>& task,
                  const std::function<void(std::size_t group)>& group_done, const std::function<bool()>& stop) {
  const std::size_t tasks = groups * size;
  const bool alone = queue.device() != Device::cpu || queue.observed() || queue.threads() < 2 || tasks < 2;
  std::mutex guard;
  std::condition_variable changed;
  std::vector<std::size_t> left(groups, size);
  std::exception_ptr failure;
  std::size_t next = 0;
  auto work = [&](Queue& own) {
    for (;;) {
      std::size_t mine;
      {
        const std::lock_guard lock(guard);
        if (failure || next == tasks) return;
        mine = next++;
      }
      try {
        if (stop && stop()) throw Stopped{};
        task(own, mine);
        const std::lock_guard lock(guard);
        --left[mine / size];
      } catch (...) {
        const std::lock_guard lock(guard);
        if (!failure) failure = std::current_exception();
      }
      changed.notify_all();
      if (alone && left[mine / size] == 0) return;
    }
  };
  std::vector<std::thread> threads;
  const std::size_t workers = std::min(tasks, static_cast<std::size_t>(queue.threads()));
  for (std::size_t i = 0; i < workers && !alone; ++i)
    threads.emplace_back([&] {
      Queue own(Device::cpu, {.threads = 1, .math = queue.math()});
      work(own);
    });
  for (std::size_t g = 0; g < groups; ++g) {
    if (alone) work(queue);
    {
      std::unique_lock lock(guard);
      changed.wait(lock, [&] { return failure || left[g] == 0; });
      if (failure) break;
    }
    try {
      group_done(g);
    } catch (...) {
      const std::lock_guard lock(guard);
      failure = std::current_exception();
      break;
    }
  }
  for (std::thread& t : threads) t.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

BenchmarkResults run_benchmark(Queue& queue, const Dataset& data, const std::vector<SplitLists>& split,
                               const BenchmarkOptions& o, const std::function<void(const std::string&)>& say) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<ModelVariant> variants;
  for (const std::string& m : o.models) {
    const ModelVariant& v = variants.emplace_back(parse_variant(m, o.training));
    if (m == "true-sampler")
      require_input(data.simulated, data.path, ": is not simulated; true-sampler needs the simulator's truth");
    if (m == "true-sampler" || m == "replicate") continue;
    // What is wrong is refused before anything runs.
    const auto model = make_model(v.model);
    require_input(v.model == m || builds_on_backbone(m), "model '", m, "': ", v.model, " has no options");
    try {
      if (builds_on_backbone(m)) model->check_options(v.options);
    } catch (const InputError& e) {
      throw InputError(text("model '", m, "': ", e.what()));
    }
  }
  require_input(!o.models.empty(), "--models is empty");
  require_input(!o.seeds.empty(), "--seeds is empty");
  require_each_once(o.models, "--models");
  require_each_once(o.seeds, "--seeds");
  BenchmarkResults r;
  r.models = o.models;
  r.seeds = o.seeds;
  r.cells = o.cells;
  r.data_path = data.path, r.data_sha256 = data.sha256, r.simulated = data.simulated,
  r.library_size_source = data.library_size_source;
  EvaluationSpace space = evaluation_space(data);
  space.gene_sets = o.gene_sets;
  space.known_interactions = o.known_interactions;
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
  for (const GeneSet& s : o.gene_sets) data_key += s.name + " " + hash_of(s.genes);
  std::optional<Simulator> simulator;
  if (std::find(o.models.begin(), o.models.end(), "true-sampler") != o.models.end())
    simulator.emplace(read_simulation(data.path));

  std::vector<FoldWork> work(folds.size());
  const std::size_t units = o.models.size() * o.seeds.size();
  for (std::size_t f = 0; f < folds.size(); ++f) work[f].units.resize(units);
  std::mutex talk;
  auto run = [&](Queue& own, std::size_t task) {
    const std::size_t f = task / units, u = task % units;
    FoldWork& w = work[f];
    const Fold& fold = folds[f];
    std::call_once(w.prepared, [&] {
      w.train = data_for_models(data, fold, o.features);
      const EffectTable effects(w.train);
      for (const Fold::Entry& e : fold.test) w.truths.push_back(held_out(data, effects, e));
      w.key = data_key + key_of(fold, data);
    });
    const std::string& name = o.models[u / o.seeds.size()];
    TrainingOptions training = variants[u / o.seeds.size()].options;
    training.seed = o.seeds[u % o.seeds.size()];
    const std::string key =
        w.key + text("model ", name, " cells ", o.cells, " seed ", training.seed, "\n", options_text(training));
    std::string what = text(fold.name.empty() ? "" : fold.name + ": ", name, ", seed ", training.seed);
    std::optional<UnitScores> scores = finished.load(key);
    {
      const std::lock_guard lock(talk);
      say(scores ? what + ": done before" : what);
    }
    if (!scores) {
      std::shared_ptr<const Backbone> backbone;
      if (builds_on_backbone(name)) {
        FoldWork::SharedBackbone* shared = nullptr;
        {
          const std::lock_guard lock(w.guard);
          shared = &w.backbones[Backbone::depends_on(training)];
        }
        std::call_once(shared->fitted, [&] {
          const auto fitted = std::make_shared<Backbone>();
          fitted->fit(own, w.train, training, {});
          shared->backbone = fitted;
        });
        backbone = shared->backbone;
      }
      scores = run_unit(own, {data, space, fold, w.train, w.truths, name, training, o.cells, backbone,
                              simulator ? &*simulator : nullptr, [&](std::size_t k) { return pictured(fold, k); }});
      finished.store(key, *scores);
    }
    w.units[u] = std::move(*scores);
  };
  // Folds are scored in their order, whoever finished first.
  auto score_fold = [&](std::size_t f) {
    FoldWork& w = work[f];
    for (std::size_t u = 0; u < units; ++u) {
      const std::string& name = o.models[u / o.seeds.size()];
      const std::uint64_t seed = o.seeds[u % o.seeds.size()];
      if (!w.units[u].loss.empty() && f == 0 && seed == o.seeds.front())
        r.training.push_back({name, w.units[u].loss, w.units[u].validation});
      for (const UnitScores::Entry& e : w.units[u].entries) {
        const Fold::Entry& entry = folds[f].test[e.number];
        scoring.add(name, seed, folds[f].name, entry, w.truths[e.number], e.mean, e.values);
        if (!e.generated_cells.empty() && seed == o.seeds.front() && builds_on_backbone(name))
          r.pictures.push_back(picture(name, entry, w.truths[e.number], e, space));
        scoring.add_pit(name, e.pit);
      }
    }
    w.forget();
  };
  run_in_order(queue, folds.size(), units, run, score_fold, o.stop);
  scoring.finish();
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return r;
}

}  // namespace perturbine

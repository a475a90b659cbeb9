#include "evaluation/run.h"

#include <nlohmann/json.hpp>

#include "io/checkpoint.h"

namespace perturbine {

namespace {

void put_cells(CheckpointContents& c, const std::string& prefix, const TrainingData& d) {
  c.lists[prefix + "contexts"] = d.contexts;
  for (const Condition& k : d.conditions) c.lists[prefix + "conditions"].push_back(canonical_label(k));
  c.integers[prefix + "condition"] = {d.condition.begin(), d.condition.end()};
  c.integers[prefix + "context"] = {d.context.begin(), d.context.end()};
  c.lists[prefix + "batches"] = d.batches;
  c.integers[prefix + "batch"] = {d.batch.begin(), d.batch.end()};
  c.doubles[prefix + "times"] = d.times;
  c.doubles[prefix + "library_size"] = d.library_size;
  c.floats[prefix + "expression"] = d.expression;
}

TrainingData take_cells(const CheckpointContents& c, const std::string& prefix, std::size_t genes,
                        const std::string& path) {
  TrainingData d;
  d.genes = genes;
  d.contexts = c.lists.at(prefix + "contexts");
  for (const std::string& l : c.lists.at(prefix + "conditions")) d.conditions.push_back(parse_condition(l));
  for (const std::int64_t v : c.integers.at(prefix + "condition")) d.condition.push_back(static_cast<std::int32_t>(v));
  for (const std::int64_t v : c.integers.at(prefix + "context")) d.context.push_back(static_cast<std::int32_t>(v));
  d.batches = c.lists.at(prefix + "batches");
  for (const std::int64_t v : c.integers.at(prefix + "batch")) d.batch.push_back(static_cast<std::int32_t>(v));
  d.times = c.doubles.at(prefix + "times");
  d.library_size = c.doubles.at(prefix + "library_size");
  d.expression = c.floats.at(prefix + "expression");
  require_input(d.expression.size() == d.cells() * d.genes && d.library_size.size() == d.cells() &&
                    d.context.size() == d.cells() && (d.times.empty() || d.times.size() == d.conditions.size()) &&
                    (d.batch.empty() || d.batch.size() == d.cells()),
                path, ": its arrays do not fit one another");
  return d;
}

}  // namespace

void save_run(Queue& queue, const std::string& path, const NetworkModel& model, const TrainingOptions& options,
              const std::vector<std::string>& gene_names, const std::string& data_sha256,
              const std::string& split_sha256, std::size_t step) {
  const TrainingData& d = model.backbone().data();
  const NetworkModel::State s = model.state(queue);
  CheckpointContents c;
  c.texts = {{"model", model.name()},
             {"options", options_text(options)},
             {"data_sha256", data_sha256},
             {"split_sha256", split_sha256},
             {"version", "0.1.0"}};
  c.lists["genes"] = gene_names;
  put_cells(c, "", d);
  if (d.features) {
    c.lists["feature_names"] = d.features->names;
    c.floats["features"] = d.features->values;
  }
  if (d.validation) put_cells(c, "validation_", *d.validation);
  c.integers["step"] = {static_cast<std::int64_t>(step)};
  c.doubles["choices"] = s.choices;
  c.floats["teacher"] = s.teacher;
  c.floats["weights"] = s.value, c.floats["first_moment"] = s.first_moment, c.floats["second_moment"] = s.second_moment,
  c.floats["average"] = s.average;
  write_checkpoint(path, c);
}

Run load_run(Queue& queue, const std::string& path) {
  const CheckpointContents c = read_checkpoint(path);
  try {
    Run r;
    r.options = options_from_text(c.texts.at("options"));
    r.gene_names = c.lists.at("genes");
    r.data_sha256 = c.texts.at("data_sha256"), r.split_sha256 = c.texts.at("split_sha256"),
    r.version = c.texts.at("version");
    r.step = static_cast<std::size_t>(c.integers.at("step").at(0));
    TrainingData d = take_cells(c, "", r.gene_names.size(), path);
    d.gene_names = r.gene_names;
    if (c.lists.count("feature_names") != 0) {
      PerturbationFeatures f{c.lists.at("feature_names"), 0, c.floats.at("features")};
      require_input(!f.names.empty() && f.values.size() % f.names.size() == 0, path,
                    ": its arrays do not fit one another");
      f.width = f.values.size() / f.names.size();
      d.features = std::make_shared<const PerturbationFeatures>(std::move(f));
    }
    if (c.lists.count("validation_conditions") != 0)
      d.validation = std::make_shared<const TrainingData>(take_cells(c, "validation_", d.genes, path));
    r.model = make_trainable(c.texts.at("model"));
    r.model->prepare(queue, d, r.options);
    r.model->set_state(queue,
                       {r.step, c.floats.at("weights"), c.floats.at("first_moment"), c.floats.at("second_moment"),
                        c.floats.at("average"), c.doubles.at("choices"), c.floats.at("teacher")});
    return r;
  } catch (const std::out_of_range&) {
    throw InputError(text(path, ": misses a part that this version needs"));
  } catch (const nlohmann::json::exception& e) {
    throw InputError(text(path, ": its options cannot be read: ", e.what()));
  }
}

}  // namespace perturbine

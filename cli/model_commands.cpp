// train and predict.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/command.h"
#include "evaluation/benchmark.h"
#include "evaluation/run.h"
#include "io/file.h"
#include "io/h5ad.h"
#include "io/split.h"

namespace perturbine::cli {
namespace {

namespace fs = std::filesystem;

struct TrainOptions {
  DataOptions data;
  TrainingOptions training;
  std::string split, model = "diffusion", out;
  bool resume = false, force = false;
};

void train(TrainOptions& o, const Common& common) {
  std::unique_ptr<NetworkModel> fresh = make_trainable(o.model);
  o.training.seed = common.seed;
  o.data.memory_megabytes = common.memory;
  check_training_options(o.training);
  const std::string checkpoint = o.out + "/checkpoint.h5";
  std::error_code code;
  const bool there = fs::exists(o.out, code);
  require_input(!there || o.resume || o.force, o.out,
                ": is already there; say --resume to go on with it or --force to replace it");
  if (!there) claim_output(o.out, false);
  const Dataset data = read_dataset(o.data, sayer(common));
  const auto lists = read_split(o.split);
  require_input(lists.size() == 1, o.split, ": has ", lists.size(),
                " folds; train takes a split with one (benchmark runs them all)");
  const Fold fold = apply_split(lists[0], data);
  const std::string split_hash = sha256_of_file(o.split);
  fs::create_directories(o.out, code);
  require_input(!code, o.out, ": cannot be made: ", code.message());

  Work work(common);
  Queue& queue = work.queue();
  Run run;
  if (o.resume && fs::exists(checkpoint)) {
    run = load_run(queue, checkpoint);
    require_input(run.data_sha256 == data.sha256, checkpoint, ": was trained on another data set than ", data.path);
    require_input(run.split_sha256 == split_hash, checkpoint, ": was trained on another split than ", o.split);
    require_input(run.model->name() == o.model && options_text(run.options) == options_text(o.training), checkpoint,
                  ": was trained with another configuration; --resume needs the same options");
    say(common, text("going on from step ", run.step));
  } else {
    run.model = std::move(fresh);
    run.model->prepare(queue, data_for_models(data, fold), o.training);
  }
  NetworkModel& model = *run.model;
  const std::size_t choices = model.report().size();
  for (const std::string& line : model.report()) say(common, line);
  const nlohmann::ordered_json manifest{
      {"version", "0.1.0"},           {"data_sha256", data.sha256}, {"split_sha256", split_hash}, {"seed", common.seed},
      {"device", work.device_name()}, {"threads", queue.threads()}, {"math", common.math}};
  write_text(o.out + "/manifest.json", manifest.dump(1) + "\n");
  write_text(o.out + "/config.toml", "model = \"" + o.model + "\"\n" + options_text(o.training));
  std::ofstream log(o.out + "/log.jsonl", o.resume ? std::ios::app : std::ios::trunc);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  bool stopped = false;
  auto save = [&](std::size_t step) {
    save_run(queue, checkpoint, model, o.training, data.gene_names, data.sha256, split_hash, step);
  };
  model.resume(queue, [&](const TrainingProgress& p) {
    log << nlohmann::ordered_json{{"step", p.step},
                                  {"seconds", p.seconds},
                                  {"loss", p.loss},
                                  {"validation",
                                   p.validation ? nlohmann::ordered_json(*p.validation) : nlohmann::ordered_json()},
                                  {"learning_rate", p.rate},
                                  {"cells_per_second", p.cells_per_second}}
               .dump()
        << "\n"
        << std::flush;
    if (terminal && !common.quiet)
      std::fprintf(stderr, "\rstep %zu of %zu, loss %.4f, %.0f cells/s, %.0f s left ", p.step, p.steps, p.loss,
                   p.cells_per_second, p.seconds / static_cast<double>(p.step) * static_cast<double>(p.steps - p.step));
    if (interrupted.load()) {
      save(p.step);
      stopped = true;
      return false;
    }
    if (p.step % 200 == 0 && p.step != p.steps) save(p.step);
    return true;
  });
  if (terminal && !common.quiet) std::fputc('\n', stderr);
  if (stopped) {
    say(common, text("interrupted; ", checkpoint, " is written, --resume goes on from there"));
    throw Interrupted{};
  }
  save(model.total_steps());
  const auto report = model.report();  // what training chose besides
  for (std::size_t i = choices; i < report.size(); ++i) say(common, report[i]);
  say(common,
      text("parameters ", model.parameters().count(), ", peak step memory ", model.peak_memory() >> 10, " KiB"));
  print_result(common, "train", o.out,
               {{"model", o.model},
                {"steps", model.total_steps()},
                {"seed", common.seed},
                {"parameters", model.parameters().count()},
                {"peak_step_memory_bytes", model.peak_memory()},
                {"choices", model.report()}});
}

struct PredictOptions {
  std::string run, condition, cell_type, out;
  long long cells = 400;
  bool force = false;
};

void predict(const PredictOptions& o, const Common& common) {
  require_input(o.cells >= 1 && o.cells <= 10000000, "--cells is ", o.cells, " but must lie between 1 and 10,000,000");
  claim_output(o.out, o.force);
  const std::string path = fs::is_directory(o.run) ? o.run + "/checkpoint.h5" : o.run;
  Work work(common);
  const Run run = load_run(work.queue(), path);
  const TrainingData& data = run.model->backbone().data();
  Query q{parse_condition(o.condition), 0};
  std::vector<std::string> known;
  for (const Condition& c : data.conditions)
    for (const auto& p : c.parts)
      if (std::find(known.begin(), known.end(), p.name) == known.end()) known.push_back(p.name);
  for (const auto& p : q.condition.parts) {
    if (std::find(known.begin(), known.end(), p.name) != known.end()) continue;
    std::string near;
    for (const std::string& n : near_spellings(p.name, known)) near += (near.empty() ? "" : ", ") + n;
    throw InputError(
        text("perturbation '", p.name, "' was not in training", near.empty() ? "" : "; near spellings: " + near));
  }
  if (!o.cell_type.empty()) {
    const auto found = std::find(data.contexts.begin(), data.contexts.end(), o.cell_type);
    if (found == data.contexts.end()) {
      std::string have;
      for (const std::string& c : data.contexts) have += (have.empty() ? "" : ", ") + c;
      throw InputError(text("--cell-type '", o.cell_type, "' was not in training; known: ", have));
    }
    q.context = static_cast<std::size_t>(found - data.contexts.begin());
  } else {
    require_input(data.contexts.size() == 1, "the run knows ", data.contexts.size(),
                  " cell types; name one by --cell-type");
  }
  const GeneratedCells cells = run.model->sample(work.queue(), q, static_cast<std::size_t>(o.cells), common.seed);
  const std::vector<double> mean = run.model->predict_mean(work.queue(), q);
  H5adContents out;
  out.gene_names = run.gene_names;
  out.matrix.columns = cells.genes;
  for (std::size_t i = 0; i < cells.count; ++i) {
    for (std::size_t g = 0; g < cells.genes; ++g)
      if (const float v = cells.counts[i * cells.genes + g]; v != 0) {
        out.matrix.column_index.push_back(static_cast<std::int32_t>(g));
        out.matrix.values.push_back(v);
      }
    out.matrix.row_offsets.push_back(static_cast<std::int64_t>(out.matrix.values.size()));
    out.cell_names.push_back("generated" + std::to_string(i + 1));
  }
  out.matrix.rows = cells.count;
  out.text_columns = {{"condition", std::vector<std::string>(cells.count, canonical_label(q.condition))}};
  if (!data.contexts[q.context].empty())
    out.text_columns.emplace_back("cell_type", std::vector<std::string>(cells.count, data.contexts[q.context]));
  out.number_columns = {{"library_size", cells.library_size}};
  out.notes = {{"model", run.model->name()},
               {"predicted_mean_labels", canonical_label(q.condition) +
                                             (data.contexts[q.context].empty() ? "" : "|" + data.contexts[q.context])}};
  out.arrays.emplace_back("predicted_mean", std::vector<std::size_t>{1, mean.size()},
                          std::vector<float>(mean.begin(), mean.end()));
  write_h5ad(o.out, out);
  say(common, text("wrote ", cells.count, " cells of ", canonical_label(q.condition), " as counts"));
  print_result(common, "predict", o.out,
               {{"condition", canonical_label(q.condition)},
                {"cell_type", data.contexts[q.context]},
                {"cells", cells.count},
                {"genes", cells.genes},
                {"seed", common.seed}});
}

}  // namespace

void add_train(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<TrainOptions>();
  add_data_options(app, o->data, false);
  add_training_options(app, o->training);
  app.add_option("--split", o->split, "split file (perturbine split makes one)")->required();
  app.add_option("--model", o->model, "the model to train")->capture_default_str();
  app.add_option("--out", o->out, "folder of the run")->required();
  app.add_flag("--resume", o->resume, "go on from the run's checkpoint");
  app.add_flag("--force", o->force, "replace an existing run");
  action = [o, &common] { train(*o, common); };
}

void add_predict(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<PredictOptions>();
  app.add_option("--run", o->run, "folder of a trained run")->required();
  app.add_option("--condition", o->condition, "what to predict, for example \"A+B\" or \"A:0.5+B\"")->required();
  app.add_option("--cell-type", o->cell_type,
                 "the context: a cell type, or of a run with --batch covariate a batch or type|batch");
  app.add_option("--cells", o->cells, "how many cells")->capture_default_str();
  app.add_option("--out", o->out, "file to write (.h5ad)")->required();
  app.add_flag("--force", o->force, "replace an existing file");
  action = [o, &common] { predict(*o, common); };
}

}  // namespace perturbine::cli

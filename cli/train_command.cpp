// train.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/command.h"
#include "evaluation/benchmark.h"
#include "evaluation/run.h"
#include "io/file.h"
#include "io/split.h"

namespace perturbine::cli {
namespace {

namespace fs = std::filesystem;

struct TrainOptions {
  DataOptions data;
  TrainingOptions training;
  std::string split, model = "diffusion", features, out;
  double checkpoint_seconds = 30;
  bool resume = false, force = false;
};

void train(TrainOptions& o, const Common& common) {
  std::unique_ptr<NetworkModel> fresh = make_trainable(o.model);
  o.training.seed = common.seed;
  fresh->check_options(o.training);
  const std::string checkpoint = o.out + "/checkpoint.h5";
  std::error_code code;
  require_input(is_free(o.out) || o.resume || o.force, o.out,
                ": is already there; say --resume to go on with it or --force to replace it");
  if (!fs::exists(o.out, code)) claim_output(o.out, false);
  const Dataset data = read_data(o.data, common);
  const auto lists = read_split(o.split);
  require_input(lists.size() == 1, o.split, ": has ", lists.size(),
                " folds; train takes a split with one (benchmark runs them all)");
  const Fold fold = apply_split(lists[0], data);
  const auto features = read_features(o.features, data, common);
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
    const TrainingData& known = run.model->backbone().data();
    require_input(known.contexts == data.contexts, checkpoint, ": was trained with another --batch");
    const auto& trained = known.features;
    require_input(
        (trained == nullptr) == (features == nullptr) &&
            (features == nullptr || (trained->names == features->names && trained->values == features->values)),
        checkpoint, ": was trained with another --perturbation-embedding");
    say(common, text("going on from step ", run.step));
  } else {
    run.model = std::move(fresh);
    run.model->prepare(queue, data_for_models(data, fold, features), o.training);
  }
  NetworkModel& model = *run.model;
  const std::size_t choices = model.report().size();
  for (const std::string& line : model.report()) say(common, line);
  const nlohmann::ordered_json manifest{
      {"version", "0.1.0"},           {"data_sha256", data.sha256}, {"split_sha256", split_hash}, {"seed", common.seed},
      {"device", work.device_name()}, {"threads", queue.threads()}, {"math", common.math}};
  write_text(o.out + "/manifest.json", manifest.dump(1) + "\n");
  write_text(o.out + "/config.toml",
             "model = \"" + o.model + "\"\n" +
                 (o.features.empty() ? "" : "perturbation-embedding = " + nlohmann::json(o.features).dump() + "\n") +
                 options_text(o.training));
  std::ofstream log(o.out + "/log.jsonl", o.resume ? std::ios::app : std::ios::trunc);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  bool stopped = false;
  auto saved = std::chrono::steady_clock::now();
  auto since_saved = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - saved).count(); };
  auto save = [&](std::size_t step) {
    save_run(queue, checkpoint, model, o.training, data.gene_names, data.sha256, split_hash, step);
    saved = std::chrono::steady_clock::now();
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
    if (p.step % 200 == 0 && p.step != p.steps && since_saved() >= o.checkpoint_seconds) save(p.step);
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

}  // namespace

void add_train(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<TrainOptions>();
  add_data_options(app, o->data, false);
  add_training_options(app, o->training);
  add_features_option(app, o->features);
  app.add_option("--split", o->split, "split file (perturbine split makes one)")->required();
  app.add_option("--model", o->model, "the model to train")->capture_default_str();
  app.add_option("--out", o->out, "folder of the run")->required();
  app.add_option("--checkpoint-seconds", o->checkpoint_seconds,
                 "what a crash may cost: the run is saved at the first of every 200 steps after so many seconds")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--resume", o->resume, "go on from the run's checkpoint");
  app.add_flag("--force", o->force, "replace an existing run");
  action = [o, &common] { train(*o, common); };
}

}  // namespace perturbine::cli

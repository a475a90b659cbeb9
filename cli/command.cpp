#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "cli/reading.h"
#include "engine/ceilings.h"
#include "io/perturbation_features.h"
#include "kernels/core/joined.h"

namespace perturbine::cli {

std::atomic<bool> interrupted{false};

void add_common(CLI::App& app, Common& c) {
  app.add_option("--device", c.device, "auto, cpu or cuda[:N]")->capture_default_str();
  app.add_option("--math", c.math, "rounding of matrix products: f32, tf32 or bf16")->capture_default_str();
  app.add_option("--threads", c.threads, "CPU threads; 0: one per core")->capture_default_str();
  app.add_option("--seed", c.seed, "seed of everything random")->capture_default_str();
  app.add_option("--memory", c.memory, "most memory for a file's values, MiB")->capture_default_str();
  app.add_option("--trace", c.trace, "write a trace of every operation to this file");
  app.add_option("--config", c.config, "TOML file with the same names as these options");
  app.add_flag("--profile", c.profile, "print time, bytes and flops of every operation at the end");
  app.add_flag("--check-finite", c.check_finite, "stop at the operation that first produces a NaN or an infinity");
  app.add_flag("--quiet", c.quiet, "only results and errors");
  app.add_flag("--json", c.json, "results as JSON");
}

void add_column_options(CLI::App& app, DataOptions& o) {
  app.add_option("--control", o.control, "label that means control (may be given several times)");
  app.add_option("--cell-type-column", o.cell_type_column,
                 "column with the cell type (default: cell_type if there; none: all are alike)");
  app.add_option("--batch-column", o.batch_column, "column with the batch (default: batch if there; none)");
  app.add_option("--time-column", o.time_column, "column with the time (default: time if there; none)");
  app.add_option("--library-size-column", o.library_size_column,
                 "column with the library size (default: library_size if there, else row sums)");
  app.add_option("--layer", o.layer, "layer to read instead of X; raw: raw/X, where no layer is called so");
  app.add_option("--expression", o.expression, "counts or log1p; without it whole numbers are counts, others an error");
}

void add_data_options(CLI::App& app, DataOptions& o, bool positional) {
  app.add_option(positional ? "data" : "--data", o.path, "AnnData file (.h5ad)")->required();
  app.add_option("--condition-column", o.condition_column, "column of obs with the perturbations")
      ->capture_default_str();
  app.add_option("--batch", o.batch, "ignore, or covariate: each batch is a context of its own, with its own controls")
      ->capture_default_str();
  add_column_options(app, o);
}

void add_given_cell_options(CLI::App& app, DataOptions& o) {
  o.given_cells = true;
  app.add_option("--condition-column", o.condition_column,
                 "column of obs with the cells' own perturbations; a file without it holds controls")
      ->capture_default_str();
  add_column_options(app, o);
}

Dataset read_data(DataOptions options, const Common& common) {
  options.memory_megabytes = common.memory;
  const Reading reading(options.path);
  return read_dataset(options, sayer(common));
}

std::string checkpoint_of(const std::string& run) {
  return std::filesystem::is_directory(run) ? run + "/checkpoint.h5" : run;
}

std::size_t context_named(const TrainingData& data, const std::string& name, const char* option) {
  if (name.empty()) {
    require_input(data.contexts.size() == 1, "the run knows ", data.contexts.size(), " cell types; name one by ",
                  option);
    return 0;
  }
  const auto found = std::find(data.contexts.begin(), data.contexts.end(), name);
  if (found == data.contexts.end()) {
    std::vector<std::string> known = data.contexts;
    std::replace(known.begin(), known.end(), std::string(), std::string("(unnamed)"));
    throw InputError(text(option, " '", name, "' was not in training; known: ", joined(known)));
  }
  return static_cast<std::size_t>(found - data.contexts.begin());
}

void add_features_option(CLI::App& app, std::string& path) {
  app.add_option("--perturbation-embedding", path,
                 "what is known of perturbations: a table (name, numbers), gene sets (.gmt) or edges (source, target, "
                 "weight)");
}

std::shared_ptr<const PerturbationFeatures> read_features(const std::string& path, const Dataset& data,
                                                          const Common& common) {
  if (path.empty()) return nullptr;
  auto features = std::make_shared<const PerturbationFeatures>(read_perturbation_features(path));
  std::set<std::string> parts, known;
  for (const Condition& c : data.conditions)
    for (const auto& p : c.parts) {
      parts.insert(p.name);
      if (features->find(p.name) != nullptr) known.insert(p.name);
    }
  require_input(!known.empty(), path, ": knows none of the data's ", parts.size(),
                " perturbations; names must be spelled as in the data");
  say(common,
      text("features of perturbations: ", features->width, " numbers, known for ", known.size(), " of ", parts.size()));
  return features;
}

void add_training_options(CLI::App& app, TrainingOptions& o) {
  visit_training_options(o, [&]<class T>(const char* name, T& member, const char* meaning, const auto&) {
    const std::string option = std::string("--") + name;
    if constexpr (std::is_same_v<T, std::optional<double>>) {
      app.add_option_function<std::string>(
             option,
             [&member, option](const std::string& given) {
               member.reset();
               if (given == "auto") return;
               std::size_t read = 0;
               double value = -1;
               try {
                 value = std::stod(given, &read);
               } catch (const std::logic_error&) {
               }
               require_input(read == given.size(), option, " is '", given, "' but must be auto or a number");
               member = value;
             },
             meaning)
          ->default_str("auto");
    } else {
      app.add_option(option, member, meaning)->capture_default_str();
    }
  });
}

namespace {
bool work_was_made = false;
}
bool Work::any() { return work_was_made; }

Work::Work(const Common& c) : common_(c) {
  work_was_made = true;
  QueueOptions o;
  require_input(c.threads >= 0 && c.threads <= 1024, "--threads is ", c.threads, " but must lie between 0 and 1024");
  o.threads = c.threads;
  require_input(c.math == "f32" || c.math == "tf32" || c.math == "bf16", "--math is '", c.math,
                "' but must be f32, tf32 or bf16");
  o.math = c.math == "bf16" ? Math::bf16 : c.math == "tf32" ? Math::tf32 : Math::f32;
  Device device = Device::cpu;
  if (c.device == "auto") {
    device = cuda_module() != nullptr ? Device::cuda : Device::cpu;
  } else if (c.device.starts_with("cuda")) {
    device = Device::cuda;
    if (c.device.size() > 4) {
      const bool digits = c.device[4] == ':' && c.device.size() > 5 &&
                          c.device.find_first_not_of("0123456789", 5) == std::string::npos && c.device.size() < 9;
      require_input(digits, "--device is '", c.device, "' but must be auto, cpu, cuda or cuda:N");
      o.ordinal = std::stoi(c.device.substr(5));
    }
  } else {
    require_input(c.device == "cpu", "--device is '", c.device, "' but must be auto, cpu, cuda or cuda:N");
  }
  queue_ = std::make_unique<Queue>(device, o);
  if (c.profile) queue_->add_observer(&profile_);
  if (!c.trace.empty()) {
    trace_ = std::make_unique<Trace>(c.trace);
    queue_->add_observer(trace_.get());
  }
  if (c.check_finite) queue_->add_observer(&check_);
}

Work::~Work() {
  if (!common_.profile) return;
  queue_->clear_observers();
  const Ceilings top = measure_ceilings(*queue_);
  std::fputs(profile_.table(top.copy_gigabytes, top.product_gigaflops).c_str(), stderr);
}

std::string Work::device_name() const { return queue_->device() == Device::cuda ? "cuda" : "cpu"; }

void say(const Common& c, const std::string& line) {
  if (c.quiet) return;
  std::string clean = line;
  for (char& ch : clean)
    if (static_cast<unsigned char>(ch) < 32 || ch == 127) ch = '?';
  std::fprintf(stderr, "%s\n", clean.c_str());
}
std::function<void(const std::string&)> sayer(const Common& c) {
  return [&c](const std::string& line) { say(c, line); };
}

void print_result(const Common& c, const std::string& command, const std::string& out,
                  const nlohmann::ordered_json& fields) {
  if (!c.json) {
    std::printf("%s\n", out.c_str());
    return;
  }
  nlohmann::ordered_json j{{"schema", "perturbine.result/1"}, {"command", command}, {"out", out}};
  j.update(fields);
  std::printf("%s\n", j.dump(1).c_str());
}

bool is_free(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return true;
  return std::filesystem::is_directory(path, code) && std::filesystem::is_empty(path, code);
}

void claim_output(const std::string& path, bool force) {
  namespace fs = std::filesystem;
  std::error_code code;
  require_input(!fs::exists(path, code) || force, path,
                ": is already there; choose another --out or say --force to replace it");
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  require_input(fs::is_directory(folder, code), folder.string(), ": no such folder to write into");
  require_input(access(folder.c_str(), W_OK) == 0, folder.string(), ": cannot be written into");
}

}  // namespace perturbine::cli

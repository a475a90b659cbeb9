// What the subcommands share: common options, the queue with its observers, and how they speak.
#pragma once
#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/batch.h"
#include "io/dataset.h"
#include "kernels/core/observers.h"
#include "kernels/core/queue.h"
#include "models/model.h"

namespace perturbine::cli {

struct Common {
  std::string device = "auto", math = "f32", trace, config;
  int threads = 0;
  std::uint64_t seed = 1;
  std::size_t memory = 8192;  // MiB
  bool profile = false, check_finite = false, quiet = false, json = false;
};
void add_common(CLI::App& app, Common& common);
/// Where things stand in a file, but for the conditions.
void add_column_options(CLI::App& app, DataOptions& options);
void add_data_options(CLI::App& app, DataOptions& options, bool positional);
void add_training_options(CLI::App& app, TrainingOptions& options);
/// read_dataset within --memory, saying what it reads; a file that makes HDF5 crash is one that cannot be read.
Dataset read_data(DataOptions options, const Common& common);
/// --perturbation-embedding
void add_features_option(CLI::App& app, std::string& path);
/// Reads it and says how many of the data's perturbations it knows; null without a path.
std::shared_ptr<const PerturbationFeatures> read_features(const std::string& path, const Dataset& data,
                                                          const Common& common);
/// A queue with the observers the options ask for; prints the profile when it goes.
class Work {
 public:
  explicit Work(const Common& common);
  ~Work();
  Queue& queue() { return *queue_; }
  std::string device_name() const;
  /// Whether any command of this program made one: without, --profile, --trace and --check-finite have nothing to see.
  static bool any();

 private:
  const Common& common_;
  std::unique_ptr<Queue> queue_;
  Profile profile_;
  std::unique_ptr<Trace> trace_;
  CheckFinite check_;
};

/// A line of talk on stderr, unless --quiet; control bytes of file contents are taken out.
void say(const Common& common, const std::string& line);
std::function<void(const std::string&)> sayer(const Common& common);

/// The result of a command that writes a file or folder: its path, or with --json
/// {"schema": "perturbine.result/1", "command", "out", ...fields}.
void print_result(const Common& common, const std::string& command, const std::string& out,
                  const nlohmann::ordered_json& fields);

/// Whether nothing stands at a path, or an empty folder, as a refused command may have left it.
bool is_free(const std::string& path);
/// Refuses an output that is already there; `force` replaces it. Checks that its folder can be written.
void claim_output(const std::string& path, bool force);

/// The checkpoint of a run named by its folder or by the file.
std::string checkpoint_of(const std::string& run);
/// The number of a context by its name. Throws InputError with what is known; an empty name is fine where there is one.
std::size_t context_named(const TrainingData& data, const std::string& name, const char* option);
/// Options for a file of cells that a trained run is asked about (all but the path).
void add_given_cell_options(CLI::App& app, DataOptions& options);

/// Set by Ctrl-C; training stops at the next report and writes a checkpoint.
extern std::atomic<bool> interrupted;
/// Thrown to end with exit code 130.
struct Interrupted {};

using AddCommand = void (*)(CLI::App& app, Common& common, std::function<void()>& action);
void add_inspect(CLI::App&, Common&, std::function<void()>&);
void add_simulate(CLI::App&, Common&, std::function<void()>&);
void add_prepare(CLI::App&, Common&, std::function<void()>&);
void add_split(CLI::App&, Common&, std::function<void()>&);
void add_train(CLI::App&, Common&, std::function<void()>&);
void add_predict(CLI::App&, Common&, std::function<void()>&);
void add_effects(CLI::App&, Common&, std::function<void()>&);
void add_impute(CLI::App&, Common&, std::function<void()>&);
void add_evaluate(CLI::App&, Common&, std::function<void()>&);
void add_benchmark(CLI::App&, Common&, std::function<void()>&);
void add_devices(CLI::App&, Common&, std::function<void()>&);
void add_trace_diff(CLI::App&, Common&, std::function<void()>&);

}  // namespace perturbine::cli

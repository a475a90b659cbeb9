#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "engine/arena.h"
#include "kernels/core/philox.h"
#include "kernels/dense/product.h"

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

void add_data_options(CLI::App& app, DataOptions& o, bool positional) {
  app.add_option(positional ? "data" : "--data", o.path, "AnnData file (.h5ad)")->required();
  app.add_option("--condition-column", o.condition_column, "column of obs with the perturbations")
      ->capture_default_str();
  app.add_option("--control", o.control, "label that means control (may be given several times)");
  app.add_option("--cell-type-column", o.cell_type_column, "column with the cell type (default: cell_type if there)");
  app.add_option("--batch-column", o.batch_column, "column with the batch (default: batch if there)");
  app.add_option("--library-size-column", o.library_size_column,
                 "column with the library size (default: library_size if there, else row sums)");
  app.add_option("--layer", o.layer, "layer to read instead of X");
  app.add_option("--expression", o.expression, "counts or log1p; without it whole numbers are counts, others an error");
}

void add_training_options(CLI::App& app, TrainingOptions& o) {
  app.add_option("--steps", o.steps, "training steps")->capture_default_str();
  app.add_option("--batch-size", o.batch_size, "cells a step")->capture_default_str();
  app.add_option("--hidden", o.hidden, "width of the network")->capture_default_str();
  app.add_option("--blocks", o.blocks, "residual blocks")->capture_default_str();
  app.add_option("--latent", o.latent, "principal components")->capture_default_str();
  app.add_option("--rate", o.rate, "learning rate")->capture_default_str();
  app.add_option("--decay", o.decay, "weight decay")->capture_default_str();
  app.add_option("--penalty", o.penalty, "penalty on embeddings")->capture_default_str();
  app.add_option("--dropout", o.dropout, "dropout in the blocks")->capture_default_str();
  app.add_option("--average-decay", o.average_decay, "decay of the weight average")->capture_default_str();
  app.add_option("--drop-perturbation", o.drop_perturbation, "how often training leaves the perturbation out")
      ->capture_default_str();
  app.add_option("--drop-context", o.drop_context, "how often training leaves the context out")->capture_default_str();
  app.add_option("--target", o.target, "x0, v, epsilon or score")->capture_default_str();
  app.add_option("--schedule", o.schedule, "cosine or linear")->capture_default_str();
  app.add_option("--sampler", o.sampler, "ancestral, euler-maruyama, ddim, heun or dpm-solver")->capture_default_str();
  app.add_option("--sampler-steps", o.sampler_steps, "steps of the sampler")->capture_default_str();
  app.add_option("--guidance-perturbation", o.guidance_perturbation,
                 "classifier-free guidance of the perturbation; 1: none")
      ->capture_default_str();
  app.add_option("--guidance-context", o.guidance_context, "the same of the context")->capture_default_str();
  app.add_option("--space", o.space, "latent (principal components) or genes")->capture_default_str();
  app.add_option("--network", o.network, "residual or u-shaped; the latter suits --space genes")->capture_default_str();
  app.add_option("--control-summary", o.control_summary,
                 "what the network sees of control cells where there are several contexts: attention, mean or none")
      ->capture_default_str();
  app.add_option(
         "--network-mean", o.network_mean,
         "auto: where the split has validation conditions the network moves the mean as far as helps on them; never")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--technical-shrinkage",
         [&o](const std::string& given) {
           o.technical_shrinkage.reset();
           if (given == "auto") return;
           std::size_t read = 0;
           double value = -1;
           try {
             value = std::stod(given, &read);
           } catch (const std::logic_error&) {
           }
           require_input(read == given.size(), "--technical-shrinkage is '", given, "' but must be auto or a number");
           o.technical_shrinkage = value;
         },
         "share of counting noise taken out of the latent, 0 to 1; auto: chosen on held-out cells of training "
         "conditions")
      ->default_str("auto");
}

void check_training_options(const TrainingOptions& o) {
  auto between = [](const char* name, double v, double low, double high, bool open_high) {
    require_input(std::isfinite(v) && v >= low && (open_high ? v < high : v <= high), name, " is ", v,
                  " but must lie between ", low, " and ", high);
  };
  auto at_least = [](const char* name, std::size_t v, std::size_t low) {
    require_input(v >= low && v < 10000000, name, " is ", v, " but must be at least ", low);
  };
  at_least("--steps", o.steps, 1), at_least("--batch-size", o.batch_size, 1), at_least("--hidden", o.hidden, 1);
  at_least("--blocks", o.blocks, 1), at_least("--latent", o.latent, 1), at_least("--sampler-steps", o.sampler_steps, 1);
  between("--rate", static_cast<double>(o.rate), 0, 10, false),
      between("--decay", static_cast<double>(o.decay), 0, 10, false);
  between("--penalty", static_cast<double>(o.penalty), 0, 1e6, false),
      between("--dropout", static_cast<double>(o.dropout), 0, 1, true);
  between("--average-decay", static_cast<double>(o.average_decay), 0, 1, true);
  between("--drop-perturbation", static_cast<double>(o.drop_perturbation), 0, 1, false),
      between("--drop-context", static_cast<double>(o.drop_context), 0, 1, false);
  between("--guidance-perturbation", o.guidance_perturbation, -100, 100, false),
      between("--guidance-context", o.guidance_context, -100, 100, false);
  between("--technical-shrinkage", o.technical_shrinkage.value_or(0), 0, 1, false);
  auto one_of = [](const char* name, const std::string& v, std::initializer_list<const char*> known) {
    std::string list;
    for (const char* k : known) list += (list.empty() ? "" : ", ") + std::string(k);
    require_input(std::find(known.begin(), known.end(), v) != known.end(), name, " is '", v, "' but must be one of ",
                  list);
  };
  one_of("--space", o.space, {"latent", "genes"}), one_of("--network", o.network, {"residual", "u-shaped"});
  one_of("--network-mean", o.network_mean, {"auto", "never"});
  one_of("--control-summary", o.control_summary, {"attention", "mean", "none"});
  sampler_named(o.sampler), schedule_named(o.schedule);
  require_input(o.target == "x0" || o.target == "v" || o.target == "epsilon" || o.target == "score", "--target is '",
                o.target, "' but must be x0, v, epsilon or score");
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

Ceilings measure_ceilings(Queue& queue) {
  auto best = [&](auto&& run) {
    run();
    queue.synchronise();
    double least = 1e9;
    for (int i = 0; i < 5; ++i) {
      const auto start = std::chrono::steady_clock::now();
      run();
      queue.synchronise();
      least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
  };
  auto random = [&](std::size_t rows, std::size_t columns, std::uint64_t seed) {
    std::vector<float> values(rows * columns);
    for (std::size_t i = 0; i < rows; ++i) normal_row(seed, 0, i, values.data() + i * columns, columns);
    return Buffer<float>(queue, values);
  };
  const bool gpu = queue.device() == Device::cuda;
  Ceilings c;
  const std::size_t rows = gpu ? 65536 : 16384, columns = 1024;
  const Buffer<float> x = random(rows, columns, 1), y(queue, rows * columns);
  const double copy = best([&] {
    if (gpu) {
      queue.copy(y.view().data, x.view().data, rows * columns * sizeof(float));
      return;
    }
    queue.cpu().pool.for_ranges(rows, rows / 16, [&](std::size_t begin, std::size_t end) {
      std::copy(x.view().data + begin * columns, x.view().data + end * columns, y.view().data + begin * columns);
    });
  });
  c.copy_gigabytes = 2.0 * static_cast<double>(rows * columns) * sizeof(float) / copy / 1e9;
  const std::size_t m = gpu ? 8192 : 1024;
  const Buffer<float> a = random(m, m, 2), b = random(m, m, 3), product(queue, m * m);
  const double seconds = best([&] {
    queue.run(
        MatrixProduct<float>{a.matrix(m, m), b.matrix(m, m), product.matrix(m, m), false, true, false, queue.math()});
  });
  c.product_gigaflops = 2.0 * std::pow(static_cast<double>(m), 3) / seconds / 1e9;
  return c;
}

}  // namespace perturbine::cli

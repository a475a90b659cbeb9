// The four models whole, at three sizes: training steps a second, cells sampled a second, memory, time by operation and
// how near a step is to its floor (its products and the bytes of everything else at measured ceilings).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/machine.h"
#include "engine/ceilings.h"
#include "io/simulator.h"
#include "kernels/core/observers.h"
#include "models/network_model.h"

namespace {

using namespace perturbine;
using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Size {
  const char* name;
  std::size_t genes, hidden, blocks;
  const char* space;
  std::size_t steps;
};
// The first is the program's default on a file of 500 genes; the others put the network on the genes themselves, but
// for the causal VAE, whose latent space is its own and whose decoder is on the genes in any case.
constexpr Size sizes[] = {{"small", 500, 128, 3, "latent", 1000},
                          {"medium", 2000, 512, 4, "genes", 200},
                          {"large", 5000, 2048, 6, "genes", 60}};
constexpr std::size_t sampled_cells = 400, counted_steps = 5;

// Simulated cells, log-normalised: 20 perturbations, 16 of their pairs.
TrainingData cells_of(const Size& size) {
  SimulationSettings s = preset_settings("norman");
  s.genes = size.genes, s.cells_per_condition = 60;
  const Simulator simulator(s);
  TrainingData d;
  d.genes = size.genes, d.gene_names = simulator.gene_names();
  d.conditions = simulator.conditions(), d.contexts = {""}, d.batches = {""};
  std::vector<float> values;
  for (std::size_t c = 0; c < d.conditions.size(); ++c)
    for (std::size_t i = 0; i < (c == 0 ? 300 : s.cells_per_condition); ++i) {
      const Simulator::Cell cell = simulator.sample(d.conditions[c], 0, i % s.batches, i);
      d.condition.push_back(static_cast<std::int32_t>(c)), d.context.push_back(0);
      d.library_size.push_back(cell.library_size);
      for (const float n : cell.counts)
        values.push_back(static_cast<float>(std::log1p(10000 * static_cast<double>(n) / cell.library_size)));
    }
  d.expression = std::move(values);
  return d;
}

TrainingOptions options_of(const Size& size, const std::string& model, std::size_t steps) {
  TrainingOptions o;
  o.steps = steps, o.hidden = size.hidden, o.blocks = size.blocks;
  o.space = model == "causal-vae" ? "latent" : size.space;
  o.technical_shrinkage = 0.5;  // not chosen: that is no part of a step
  return o;
}

// The operations of the last few steps of the optimiser, until it is told that training is over: what models do before,
// between their stages and after is no part of a step.
class StepCosts final : public Observer {
 public:
  void before(Queue& queue, const OperationRecord& record) override {
    if (!over_) step_.before(queue, record);
  }
  void after(Queue& queue, const OperationRecord& record) override {
    if (over_) return;
    step_.after(queue, record);
    if (record.name != AdamW<float>::name) return;
    steps_.push_back(std::exchange(step_, Profile{}));
    if (steps_.size() > counted_steps) steps_.pop_front();
  }
  void training_is_over() { over_ = true; }
  /// Sums over the counted steps, most time first.
  std::vector<std::pair<std::string, Profile::Entry>> entries() const {
    std::map<std::string, Profile::Entry> sum;
    for (const Profile& step : steps_)
      for (const auto& [name, e] : step.entries()) {
        Profile::Entry& to = sum[name];
        to.calls += e.calls, to.seconds += e.seconds;
        to.cost.bytes += e.cost.bytes, to.cost.flops += e.cost.flops, to.cost.ceiling = e.cost.ceiling;
      }
    std::vector<std::pair<std::string, Profile::Entry>> all(sum.begin(), sum.end());
    std::sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.second.seconds > y.second.seconds; });
    return all;
  }
  std::size_t count() const { return steps_.size(); }

 private:
  Profile step_;
  std::deque<Profile> steps_;
  bool over_ = false;
};

struct Result {
  std::string model;
  const Size* size;
  std::size_t parameters = 0, arena_bytes = 0;
  double steps_a_second = 0, floor_ms = 0, cells_a_second = 0;
  std::vector<std::pair<std::string, Profile::Entry>> operations;  // of `counted` steps
  std::size_t counted = 0;
  double operation_seconds() const {
    double all = 0;
    for (const auto& [name, e] : operations) all += e.seconds;
    return all;
  }
};

Result measure(const std::string& name, const Size& size, const TrainingData& data,
               const std::shared_ptr<Backbone>& backbone, Queue& queue, const Ceilings& ceilings, bool eager) {
  Result r;
  r.model = name, r.size = &size;
  {  // what a step costs, from a few of them
    const auto model = make_trainable(name);
    model->use_backbone(backbone);
    model->prepare(queue, data, options_of(size, name, 10));
    StepCosts costs;
    queue.add_observer(&costs);
    model->resume(queue, [&](const TrainingProgress& p) {
      if (p.step == p.steps) costs.training_is_over();
      return true;
    });
    queue.clear_observers();
    r.operations = costs.entries(), r.counted = costs.count();
    for (const auto& [operation, e] : r.operations)
      r.floor_ms += 1e3 / static_cast<double>(r.counted) *
                    (e.cost.ceiling == Ceiling::products ? e.cost.flops / ceilings.product_gigaflops / 1e9
                                                         : e.cost.bytes / ceilings.copy_gigabytes / 1e9);
  }
  // How fast steps are, and samples, as a user trains: from the report of step 50 on.
  Observer watching;  // sees nothing, but a step that is watched is not captured as a graph
  if (eager) queue.add_observer(&watching);
  const auto model = make_trainable(name);
  model->use_backbone(backbone);
  model->prepare(queue, data, options_of(size, name, size.steps));
  TrainingProgress from;
  model->resume(queue, [&](const TrainingProgress& p) {
    // Stages count their seconds apart; where one begins follows from the cells it has seen.
    const auto start = [](const TrainingProgress& q) {
      const double steps = q.cells_per_second * q.seconds / static_cast<double>(TrainingOptions{}.batch_size);
      return q.step - static_cast<std::size_t>(std::llround(steps));
    };
    if (from.step == 0 || start(p) != start(from)) from = p;
    if (p.step > from.step) r.steps_a_second = static_cast<double>(p.step - from.step) / (p.seconds - from.seconds);
    return true;
  });
  r.parameters = model->parameters().count(), r.arena_bytes = model->peak_memory();
  const Query query{data.conditions.back(), 0};
  model->sample(queue, query, sampled_cells, 1);
  std::vector<double> seconds;
  for (std::uint64_t repeat = 0; repeat < 3; ++repeat) {
    const auto start = Clock::now();
    model->sample(queue, query, sampled_cells, 2 + repeat);
    seconds.push_back(since(start));
  }
  queue.clear_observers();
  std::sort(seconds.begin(), seconds.end());
  r.cells_a_second = static_cast<double>(sampled_cells) / seconds[1];
  return r;
}

// A row of a Markdown table.
void print(const Result& r) {
  std::printf("| %s | %s | %.2f | %.3g | %.3g | %.0f %% | %.3g | %.0f | ", r.model.c_str(), r.size->name,
              static_cast<double>(r.parameters) / 1e6, r.steps_a_second, r.floor_ms, r.floor_ms * r.steps_a_second / 10,
              r.cells_a_second, static_cast<double>(r.arena_bytes) / 1048576);
  for (std::size_t i = 0; i < std::min<std::size_t>(3, r.operations.size()); ++i)
    std::printf("%s%s %.0f %%", i == 0 ? "" : ", ", r.operations[i].first.c_str(),
                100 * r.operations[i].second.seconds / r.operation_seconds());
  std::printf(" |\n");
  std::fflush(stdout);
}

nlohmann::ordered_json json_of(const Result& r) {
  nlohmann::ordered_json operations;
  for (const auto& [name, e] : r.operations) {
    const double steps = static_cast<double>(r.counted);
    operations[name] = {{"calls", static_cast<double>(e.calls) / steps},
                        {"milliseconds", 1e3 * e.seconds / steps},
                        {"bytes", e.cost.bytes / steps},
                        {"flops", e.cost.flops / steps}};
  }
  return {{"model", r.model},
          {"size", r.size->name},
          {"genes", r.size->genes},
          {"hidden", r.size->hidden},
          {"blocks", r.size->blocks},
          {"space", r.size->space},
          {"batch_size", TrainingOptions{}.batch_size},
          {"parameters", r.parameters},
          {"steps_per_second", r.steps_a_second},
          {"step_floor_milliseconds", r.floor_ms},
          {"cells_sampled_per_second", r.cells_a_second},
          {"activation_bytes", r.arena_bytes},
          {"operations_per_step", operations}};
}

struct Arguments {
  std::string device = "cpu", json;
  bool eager = false;
  std::vector<std::string> models, sizes;
  Math math = Math::f32;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--eager") {
      a.eager = true;
      continue;
    }
    require(i + 1 < argc &&
                (word == "--device" || word == "--math" || word == "--model" || word == "--size" || word == "--json"),
            "whole_models [--device cpu|cuda] [--math f32|tf32|bf16] [--model NAME]... [--size small|medium|large]... "
            "[--json FILE] [--eager]   eager: every operation launched by itself, no graph of a step");
    const std::string value = argv[++i];
    if (word == "--device") {
      require(value == "cpu" || value == "cuda", "--device is '", value, "' but must be cpu or cuda");
      a.device = value;
    } else if (word == "--math") {
      require(value == "f32" || value == "tf32" || value == "bf16", "--math is '", value,
              "' but must be f32, tf32 or bf16");
      a.math = value == "f32" ? Math::f32 : value == "tf32" ? Math::tf32 : Math::bf16;
    } else if (word == "--json") {
      a.json = value;
    } else if (word == "--model") {
      make_trainable(value);  // throws for a name that is none
      a.models.push_back(value);
    } else {
      require(std::any_of(std::begin(sizes), std::end(sizes), [&](const Size& s) { return value == s.name; }),
              "--size is '", value, "' but must be small, medium or large");
      a.sizes.push_back(value);
    }
  }
  if (a.models.empty()) a.models = trainable_names();
  return a;
}

void run(const Arguments& a) {
  const Device device = a.device == "cpu" ? Device::cpu : Device::cuda;
  if (device == Device::cuda) {
    const char* reason = "";
    require(cuda_module(&reason) != nullptr, "--device cuda: ", reason);
  }
  Queue queue(device, {.math = a.math});
  const Ceilings ceilings = measure_ceilings(queue);
  const std::string name = device == Device::cuda ? cuda_module()->describe(0) : processor_name();
  std::printf("%s, %d threads, copy %.1f GB/s, products %.0f GFLOP/s, %s\n\n", name.c_str(), queue.threads(),
              ceilings.copy_gigabytes, ceilings.product_gigaflops, today().c_str());
  std::printf(
      "| model | size | parameters, millions | steps a second | floor of a step, ms | of floor | cells sampled a "
      "second "
      "| activations, MiB | most of a step |\n|---|---|---|---|---|---|---|---|---|\n");
  nlohmann::ordered_json all{{"schema", "perturbine.whole_models/1"},
                             {"date", today()},
                             {"device", a.device},
                             {"name", name},
                             {"threads", queue.threads()},
                             {"eager", a.eager},
                             {"compiler", __VERSION__},
                             {"copy_gigabytes_per_second", ceilings.copy_gigabytes},
                             {"product_gigaflops", ceilings.product_gigaflops},
                             {"rows", nlohmann::ordered_json::array()}};
  for (const Size& size : sizes) {
    if (!a.sizes.empty() && std::find(a.sizes.begin(), a.sizes.end(), size.name) == a.sizes.end()) continue;
    const TrainingData data = cells_of(size);
    std::map<std::string, std::shared_ptr<Backbone>> backbones;  // one for each space
    for (const std::string& model : a.models) {
      const TrainingOptions options = options_of(size, model, 1);
      auto& backbone = backbones[options.space];
      if (!backbone) {
        backbone = std::make_shared<Backbone>();
        backbone->fit(queue, data, options, {});
      }
      const Result r = measure(model, size, data, backbone, queue, ceilings, a.eager);
      print(r);
      all["rows"].push_back(json_of(r));
    }
  }
  if (a.json.empty()) return;
  std::ofstream out(a.json);
  out << all.dump(1) << '\n';
  out.flush();
  require(out.good(), a.json, ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "whole_models: %s\n", e.what());
    return 2;
  }
}

// Every case of the list that is marked for benches, on the CPU and, where there is one, a GPU. Each is checked against
// the oracle before it is timed; inputs rotate so that small caches do not flatter (on a GPU a second row, hot, where
// they do not).
//   kernel_bench [Google Benchmark's options]
//   kernel_bench --case NAME --shape S --once [--device cpu|cuda] [--type f32|bf16] [--threads N]
// runs one case of the list once, after one run to warm up and a check: for ncu, nsys and callgrind. S is as in names
// of cases, 4096x512.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "bench/cases/compare.h"
#include "bench/instruction_rates.h"

namespace {

using namespace perturbine;

// Cold: inputs in turn, 128 MB of them where 16 copies reach that. Hot: the same again and again.
void run(benchmark::State& state, const cases::Case* c, Queue* queue, bool hot) {
  static std::map<std::string, std::string> verdicts;
  const std::string key = c->name() + (queue->device() == Device::cuda ? "/cuda" : "/cpu");
  if (!verdicts.count(key)) verdicts[key] = cases::compare_with_oracle(*c, *queue, cases::Layout::dense);
  if (!verdicts[key].empty()) {
    state.SkipWithError(verdicts[key].c_str());
    return;
  }
  std::vector<std::unique_ptr<cases::Instance>> rotation;
  double bytes = 0;
  do {
    rotation.push_back(c->instance(*queue, cases::Layout::dense));
    bytes += rotation.back()->cost().bytes;
  } while (!hot && bytes < 128e6 && rotation.size() < 16);
  std::size_t next = 0;
  for (auto _ : state) {
    rotation[next++ % rotation.size()]->run(*queue);
    queue->synchronise();
  }
  const Cost cost = rotation[0]->cost();
  const auto n = static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(cost.bytes * n / 1e9, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(cost.flops * n / 1e9, benchmark::Counter::kIsRate);
}

// One case, once. The case is any of the list, tested or timed.
int run_once(int argc, char** argv) {
  std::string name, shape, device = "cpu", type = "f32", threads = "0";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--once") continue;
    std::string* to = word == "--case"      ? &name
                      : word == "--shape"   ? &shape
                      : word == "--device"  ? &device
                      : word == "--type"    ? &type
                      : word == "--threads" ? &threads
                                            : nullptr;
    require(to != nullptr && i + 1 < argc, "'", word, "' is not understood; see the top of bench/kernel_bench.cpp");
    *to = argv[++i];
  }
  require(!name.empty() && !shape.empty(), "--once needs --case and --shape");
  require(device == "cpu" || device == "cuda", "--device is '", device, "' but must be cpu or cuda");
  const std::string full = name + "/" + type + "/" + shape;
  std::string near;
  for (const cases::Case& c : cases::all_cases().cases) {
    if (c.operation + (c.variant.empty() ? "" : "." + c.variant) == name) near += "\n  " + c.name();
    if (c.name() != full) continue;
    Queue queue(device == "cuda" ? Device::cuda : Device::cpu, {.threads = std::atoi(threads.c_str())});
    const std::string verdict = cases::compare_with_oracle(c, queue, cases::Layout::dense);
    require(verdict.empty(), verdict);
    const auto instance = c.instance(queue, cases::Layout::dense);
    instance->run(queue), queue.synchronise();
    instance->run(queue), queue.synchronise();
    std::printf("%s on %s: agrees with the oracle, ran once more\n", full.c_str(), device.c_str());
    return 0;
  }
  throw Error(text("the list has no case ", full, near.empty() ? "" : "; of this operation it has", near));
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--once") {
      try {
        return run_once(argc, argv);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "kernel_bench: %s\n", e.what());
        return 2;
      }
    }
  Queue cpu(Device::cpu);
  std::unique_ptr<Queue> cuda;
  if (cuda_module() != nullptr) cuda = std::make_unique<Queue>(Device::cuda);
  for (const cases::Case& c : cases::all_cases().cases) {
    if (!c.for_bench) continue;
    const auto add = [&](const char* device, Queue& queue, bool hot) {
      benchmark::RegisterBenchmark((c.name() + device).c_str(), run, &c, &queue, hot)
          ->Unit(benchmark::kMicrosecond)
          ->UseRealTime();
    };
    add("/cpu", cpu, false);
    if (cuda) add("/cuda", *cuda, false), add("/cuda/hot", *cuda, true);
  }
  register_instruction_rates();
  benchmark::AddCustomContext("threads", std::to_string(cpu.threads()));
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

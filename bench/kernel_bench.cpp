// Every case of the list that is marked for benches, on the CPU and, where there is one, a GPU. Each is checked against
// the oracle before it is timed; inputs rotate so that small caches do not flatter.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>

#include "bench/cases/compare.h"

namespace {

using namespace perturbine;

void run(benchmark::State& state, const cases::Case* c, Queue* queue) {
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
  } while (bytes < 128e6 && rotation.size() < 16);
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

}  // namespace

int main(int argc, char** argv) {
  Queue cpu(Device::cpu);
  std::unique_ptr<Queue> cuda;
  if (cuda_module() != nullptr) cuda = std::make_unique<Queue>(Device::cuda);
  for (const cases::Case& c : cases::all_cases().cases) {
    if (!c.for_bench) continue;
    benchmark::RegisterBenchmark((c.name() + "/cpu").c_str(), run, &c, &cpu)
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
    if (cuda)
      benchmark::RegisterBenchmark((c.name() + "/cuda").c_str(), run, &c, cuda.get())
          ->Unit(benchmark::kMicrosecond)
          ->UseRealTime();
  }
  benchmark::AddCustomContext("threads", std::to_string(cpu.threads()));
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

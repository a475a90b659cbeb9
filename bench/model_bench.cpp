// Whole steps: training of the reference score network (2000 genes, hidden 512, 4 blocks, batch 256, 5000
// perturbations) and sampling 400 cells in 50 steps (50 components, hidden 512, 4 blocks); with the floor of the
// training step.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string_view>

#include "engine/ceilings.h"
#include "kernels/core/observers.h"
#include "kernels/core/philox.h"
#include "kernels/pointwise/pointwise.h"
#include "models/schedule.h"
#include "models/score_network.h"

namespace {

using namespace perturbine;

std::vector<float> normals(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  std::vector<float> v(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) normal_row(seed, 0, i, v.data() + i * columns, columns);
  return v;
}

struct Setting {
  Queue queue;
  Parameters parameters;
  ResidualScoreNetwork network;
  Arena arena{queue};
  Tape tape{arena, parameters};
  std::size_t rows, width;
  Buffer<float> x0, time, alpha, sigma, ones, row_weight, set_weight, variance;
  Buffer<std::int32_t> offsets, index, row;
  Buffer<std::uint64_t> draw;

  Setting(Device device, Math math, std::size_t width_, std::size_t rows_, std::size_t perturbations)
      : queue(device, {.math = math}),
        network(parameters, {width_, 512, 4}, {512, perturbations, 1, 128}, 0),
        rows(rows_),
        width(width_) {
    parameters.allocate(queue, 1);
    x0 = Buffer<float>(queue, normals(rows, width, 1));
    std::vector<float> t(rows), a(rows), s(rows);
    std::vector<std::int32_t> o{0}, k, r;
    for (std::size_t i = 0; i < rows; ++i) {
      t[i] = (static_cast<float>(i) + .5f) / static_cast<float>(rows);
      const NoiseLevel l = noise_level(ScheduleKind::cosine, static_cast<double>(t[i]));
      a[i] = static_cast<float>(l.alpha), s[i] = static_cast<float>(l.sigma);
      k.push_back(static_cast<std::int32_t>(i * 7919 % perturbations)), r.push_back(static_cast<std::int32_t>(i));
      o.push_back(static_cast<std::int32_t>(i) + 1);
    }
    time = Buffer<float>(queue, t), alpha = Buffer<float>(queue, a), sigma = Buffer<float>(queue, s);
    ones = Buffer<float>(queue, std::vector<float>(rows, 1)),
    row_weight = Buffer<float>(queue, std::vector<float>(rows, 1.0f / static_cast<float>(rows)));
    set_weight = Buffer<float>(queue, std::vector<float>(rows, 1)),
    variance = Buffer<float>(queue, std::vector<float>(width, 1));
    offsets = Buffer<std::int32_t>(queue, o), index = Buffer<std::int32_t>(queue, k),
    row = Buffer<std::int32_t>(queue, r);
    draw = Buffer<std::uint64_t>(queue, std::vector<std::uint64_t>{0});
  }
  ops::Sets sets() const { return {offsets.view(), index.view(), row.view(), set_weight.view()}; }
};

// The products of a step and the bytes of everything else, as the operations state them.
struct Floor final : Observer {
  double flops = 0, bytes = 0;
  void after(Queue&, const OperationRecord& r) override {
    if (r.cost.ceiling == Ceiling::products)
      flops += r.cost.flops;
    else
      bytes += r.cost.bytes;
  }
};

// The training step of the reference score network: captured once where the device can, as models train.
struct Training {
  Setting s;
  Optimiser optimiser;
  std::size_t number = 0;
  CapturedWork captured;
  bool eager;
  explicit Training(Device device, Math math, std::size_t batch = 256, bool eager_ = false)
      : s(device, math, 2000, batch, 5000), optimiser(s.queue, s.parameters, {}), eager(eager_) {
    prepare();
    launches();  // sizes the arena
    prepare();
    captured = s.queue.capture([this] { launches(); });
  }
  void prepare() {
    s.draw.set(s.queue, {number});
    optimiser.prepare(s.queue, ++number, 1e-3f);
  }
  void launches() {
    s.tape.begin_step();
    const MatrixView<float> x0 = s.x0.matrix(s.rows, s.width), xt = s.arena.matrix<float>(s.rows, s.width);
    s.queue.run(DiffusionNoise<float>{x0, s.alpha.view(), s.sigma.view(), s.draw.view(), xt, 1});
    const Var modulation = s.network.modulation(s.tape, {s.time.view(), s.sets(), s.sets(), {}, {}, {}});
    const Var F = s.network.forward(s.tape, s.tape.constant(xt), modulation, 0, s.draw.view(), 1);
    ops::diffusion_loss(
        s.tape, F,
        {x0, s.alpha.view(), s.sigma.view(), s.ones.view(), s.variance.view(), s.draw.view(), Target::epsilon, 1},
        s.row_weight.view());
    s.tape.backward();
    optimiser.apply(s.queue);
  }
  void step() {
    prepare();
    eager ? launches() : captured.run();
    s.queue.synchronise();
  }
};

void training_step(benchmark::State& state, Device device, Math math, std::size_t batch = 256, bool eager = false) {
  Training training(device, math, batch, eager);
  Setting& s = training.s;
  Floor floor;
  s.queue.add_observer(&floor);
  training.prepare();
  training.launches();
  s.queue.clear_observers();
  training.step();
  for (auto _ : state) training.step();
  state.counters["parameters"] = static_cast<double>(s.parameters.count());
  state.counters["product_GFLOP"] = floor.flops / 1e9;
  state.counters["other_MB"] = floor.bytes / 1e6;
}

// Sampling. One condition, as a user samples: the scales and shifts of every step are one product. A step is captured
// once where the device can, as models sample.
struct Sampling {
  Setting s;
  std::vector<SamplerStep> plan;
  bool eager;
  Buffer<float> coefficients, alphas, sigmas, time, weight, modulation, x;
  Buffer<std::int32_t> now, offsets, member, row;
  CapturedWork captured;
  Sampling(Device device, Math math, std::size_t cells, std::size_t steps, bool eager_ = false)
      : s(device, math, 50, cells, 100),
        plan(sampler_steps(ScheduleKind::cosine, SamplerKind::ddim, steps)),
        eager(eager_) {
    s.tape.for_inference();
    x = Buffer<float>(s.queue, normals(cells, 50, 2));
    now = Buffer<std::int32_t>(s.queue, cells);
    std::vector<float> table, times, a, b;
    std::vector<std::int32_t> o{0}, r;
    for (const auto& p : plan) {
      for (const double c : p.c) table.push_back(static_cast<float>(c));
      times.push_back(static_cast<float>(p.time));
      a.push_back(static_cast<float>(p.level.alpha)), b.push_back(static_cast<float>(p.level.sigma));
      o.push_back(static_cast<std::int32_t>(times.size())), r.push_back(o.back() - 1);
    }
    coefficients = Buffer<float>(s.queue, table), time = Buffer<float>(s.queue, times);
    alphas = Buffer<float>(s.queue, a), sigmas = Buffer<float>(s.queue, b);
    offsets = Buffer<std::int32_t>(s.queue, o), row = Buffer<std::int32_t>(s.queue, r);
    member = Buffer<std::int32_t>(s.queue, std::vector<std::int32_t>(steps, 7));
    weight = Buffer<float>(s.queue, std::vector<float>(steps, 1));
    modulation = Buffer<float>(s.queue, steps * columns);
    begin();
    step();  // sizes the arena
    captured = s.queue.capture([this] { step(); });
  }
  static constexpr std::size_t columns = 2 * 512 * 4;
  void begin() {
    const ops::Sets sets{offsets.view(), member.view(), row.view(), weight.view()};
    now.set(s.queue, std::vector<std::int32_t>(s.rows, 0));
    s.tape.begin_step();
    const MatrixView<float> all = s.tape.value(s.network.modulation(s.tape, {time.view(), sets, sets, {}, {}, {}}));
    s.queue.copy(modulation.view().data, all.data, modulation.size() * sizeof(float));
  }
  void step() {
    s.tape.begin_step();
    const VectorView<const std::int32_t> first{now.view().data, 1};
    const MatrixView<float> xs = x.matrix(s.rows, 50), film = s.arena.matrix<float>(1, columns);
    s.queue.run(GatherRows<float>{alphas.matrix(plan.size(), 1), now.view(), s.alpha.matrix(s.rows, 1)});
    s.queue.run(GatherRows<float>{sigmas.matrix(plan.size(), 1), now.view(), s.sigma.matrix(s.rows, 1)});
    s.queue.run(GatherRows<float>{modulation.matrix(plan.size(), columns), first, film});
    const Var F = s.network.forward(s.tape, s.tape.constant(xs), s.tape.constant(film), 0, s.draw.view(), 1);
    const MatrixView<float> f = s.tape.value(F);
    s.queue.run(Denoise<float>{f, xs, s.alpha.view(), s.sigma.view(), s.variance.view(), f, Target::x0});
    s.queue.run(ReverseStep<float>{xs, f, {}, coefficients.matrix(plan.size(), 4), first, s.draw.view(), xs, 1});
    s.queue.run(Advance<std::int32_t>{now.view()});
  }
  void run() {
    begin();
    for (std::size_t k = 0; k < plan.size(); ++k) eager ? step() : captured.run();
    s.queue.synchronise();
  }
};

void sampling(benchmark::State& state, Device device, Math math, std::size_t cells, std::size_t steps, bool eager) {
  Sampling sampling(device, math, cells, steps, eager);
  for (auto _ : state) sampling.run();
}

void add(const std::string& name, auto&& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MinTime(name.ends_with("/cuda") ? .5 : 2);
}

}  // namespace

// --profile f32|bf16|sampling: time by operation of 20 training steps or one sampling, instead of the benches.
int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--profile") {
    const std::string_view what = argv[2];
    Queue queue(Device::cpu);
    Profile profile;
    if (what == "sampling") {
      Sampling sampling(Device::cpu, Math::f32, 400, 50, true);
      sampling.run();
      sampling.s.queue.add_observer(&profile);
      sampling.run();
    } else {
      Training training(Device::cpu, what == "bf16" ? Math::bf16 : Math::f32);
      training.s.queue.add_observer(&profile);
      for (int i = 0; i < 20; ++i) training.step();
    }
    const Ceilings top = measure_ceilings(queue);
    std::fputs(profile.table(top.copy_gigabytes, top.product_gigaflops).c_str(), stdout);
    return 0;
  }
  std::vector<std::pair<std::string, Device>> devices{{"", Device::cpu}};
  if (cuda_module() != nullptr) devices.emplace_back("/cuda", Device::cuda);
  for (const auto& [suffix, device] : devices) {
    for (const auto& [name, math] :
         {std::pair{"f32", Math::f32}, {"bf16_products", Math::bf16}, {"tf32_products", Math::tf32}})
      if (device == Device::cuda || math != Math::tf32)  // on the CPU tf32 is f32
        add("training_step/" + std::string(name) + suffix,
            [device = device, math = math](benchmark::State& state) { training_step(state, device, math); });
    add("sampling_400x50" + suffix,
        [device = device](benchmark::State& state) { sampling(state, device, Math::f32, 400, 50, false); });
    if (device != Device::cuda) continue;
    // What only a GPU is asked: a large batch, a thousand steps, and every operation launched by itself.
    add("training_step_batch_8192/f32/cuda",
        [](benchmark::State& state) { training_step(state, Device::cuda, Math::f32, 8192, false); });
    add("eager_training_step/f32/cuda",
        [](benchmark::State& state) { training_step(state, Device::cuda, Math::f32, 256, true); });
    for (const auto& [name, math] : {std::pair{"f32", Math::f32}, {"tf32", Math::tf32}, {"bf16", Math::bf16}})
      for (const bool eager : {false, true})
        add((eager ? "eager_sampling_256x1000/" : "sampling_256x1000/") + std::string(name) + "/cuda",
            [math = math, eager](benchmark::State& state) { sampling(state, Device::cuda, math, 256, 1000, eager); });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

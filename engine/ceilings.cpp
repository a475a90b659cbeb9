#include "engine/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"
#include "kernels/dense/product.h"

namespace perturbine {

double Ceilings::least_seconds(const Cost& cost) const {
  const double memory = cost.bytes / copy_gigabytes / 1e9;
  return cost.ceiling == Ceiling::products ? std::max(memory, cost.flops / product_gigaflops / 1e9) : memory;
}

namespace {

Buffer<float> random(Queue& queue, std::size_t rows, std::size_t columns, std::uint64_t seed) {
  std::vector<float> values(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) normal_row(seed, 0, i, values.data() + i * columns, columns);
  return Buffer<float>(queue, values);
}

double seconds_of(Queue& queue, const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  queue.synchronise();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr std::size_t columns = 1024;

}  // namespace

CopyProbe::CopyProbe(Queue& queue)
    : queue_(queue),
      from_(random(queue, queue.device() == Device::cuda ? 65536 : 16384, columns, 1)),
      to_(queue, from_.size()) {}

double CopyProbe::seconds(bool past_caches) {
  const float* from = from_.view().data;
  float* to = to_.view().data;
  if (queue_.device() == Device::cuda)
    return seconds_of(queue_, [&] { queue_.copy(to, from, from_.size() * sizeof(float)); });
  const std::size_t rows = from_.size() / columns;
  return seconds_of(queue_, [&] {
    queue_.cpu().pool.for_ranges(rows, rows / 16, [&](std::size_t begin, std::size_t end) {
      if (past_caches) {
        stream_row(from + begin * columns, to + begin * columns, (end - begin) * columns);
        end_streaming();
      } else {
        std::copy(from + begin * columns, from + end * columns, to + begin * columns);
      }
    });
  });
}

Ceilings measure_ceilings(Queue& queue) {
  const auto best = [](auto&& once) {
    once();
    double least = 1e9;
    for (int i = 0; i < 5; ++i) least = std::min(least, once());
    return least;
  };
  Ceilings c;
  {
    CopyProbe probe(queue);
    double copy = best([&] { return probe.seconds(); });
    if (queue.device() != Device::cuda) copy = std::min(copy, best([&] { return probe.seconds(true); }));
    c.copy_gigabytes = probe.bytes() / copy / 1e9;
  }
  const std::size_t m = queue.device() == Device::cuda ? 8192 : 1024;
  const Buffer<float> a = random(queue, m, m, 2), b = random(queue, m, m, 3), product(queue, m * m);
  const double seconds = best([&] {
    return seconds_of(queue, [&] {
      queue.run(
          MatrixProduct<float>{a.matrix(m, m), b.matrix(m, m), product.matrix(m, m), false, true, false, queue.math()});
    });
  });
  c.product_gigaflops = 2.0 * std::pow(static_cast<double>(m), 3) / seconds / 1e9;
  return c;
}

}  // namespace perturbine

#include "kernels/optimisation/adamw.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t block = 4096;

// Calls body(segment, begin, end) for the part of each segment that lies in [begin, end).
template <class Body>
void for_segments(VectorView<const std::int32_t> segment_begin, std::size_t begin, std::size_t end, Body&& body) {
  const std::int32_t* first = segment_begin.data;
  const std::int32_t* last = first + segment_begin.size;
  auto s = static_cast<std::size_t>(std::upper_bound(first, last, static_cast<std::int32_t>(begin)) - first);
  if (s == 0) s = 1;
  for (; s < segment_begin.size && static_cast<std::size_t>(segment_begin[s - 1]) < end; ++s) {
    const std::size_t from = std::max(begin, static_cast<std::size_t>(segment_begin[s - 1]));
    const std::size_t to = std::min(end, static_cast<std::size_t>(segment_begin[s]));
    if (from < to) body(s - 1, from, to);
  }
}

void run(Cpu& cpu, const GlobalNorm<float>& op) {
  const std::size_t blocks = (op.gradient.size + block - 1) / block;
  float* partial = cpu.workspace.get<float>(blocks);
  cpu.pool.for_ranges(blocks, 16, [&](std::size_t first, std::size_t last) {
    for (std::size_t b = first; b < last; ++b) {
      float total = 0;
      for_segments(op.segment_begin, b * block, std::min(op.gradient.size, (b + 1) * block),
                   [&](std::size_t s, std::size_t from, std::size_t to) {
                     if (op.active[s] == 0) return;
                     const float* gradient = op.gradient.data;
                     float sum = 0;
#pragma omp simd reduction(+ : sum)
                     for (std::size_t i = from; i < to; ++i) sum += gradient[i] * gradient[i];
                     total += sum;
                   });
      partial[b] = total;
    }
  });
  double sum = 0;
  for (std::size_t b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b]);
  op.norm[0] = static_cast<float>(std::sqrt(sum));
}

void run(Cpu& cpu, const AdamW<float>& op) {
  const float rate = op.step[AdamWStep::rate], c1 = 1 / op.step[AdamWStep::bias_correction_1];
  const float c2 = 1 / op.step[AdamWStep::bias_correction_2], blend = 1 - op.step[AdamWStep::average_decay];
  const float norm = op.norm.data != nullptr ? op.norm[0] : 0.0f;
  const float scale = norm > op.clip ? op.clip / norm : 1.0f;
  const std::size_t blocks = (op.value.size + block - 1) / block;
  cpu.pool.for_ranges(blocks, 8, [&](std::size_t first, std::size_t last) {
    for_segments(op.segment_begin, first * block, std::min(op.value.size, last * block),
                 [&](std::size_t s, std::size_t from, std::size_t to) {
                   if (op.active[s] == 0) return;
                   const float step = rate * op.segment_rate[s], decay = op.decay[s], penalty = op.penalty[s];
                   float *value = op.value.data, *m = op.first_moment.data, *v = op.second_moment.data,
                         *average = op.average.data;
                   const float* gradient = op.gradient.data;
#pragma omp simd
                   for (std::size_t i = from; i < to; ++i) {
                     const float p = value[i], g = scale * gradient[i] + penalty * p;
                     m[i] = op.beta1 * m[i] + (1 - op.beta1) * g;
                     v[i] = op.beta2 * v[i] + (1 - op.beta2) * g * g;
                     const float moved = p - step * (m[i] * c1 / (std::sqrt(v[i] * c2) + op.epsilon) + decay * p);
                     value[i] = moved;
                     average[i] += blend * (moved - average[i]);
                   }
                   if (op.copy.data == nullptr) return;
                   bfloat16* copy = op.copy.data;
#pragma omp simd
                   for (std::size_t i = from; i < to; ++i) copy[i].bits = bfloat16(value[i]).bits;
                 });
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, GlobalNorm<float>)
PERTURBINE_EXECUTE(Cpu, run, AdamW<float>)

}  // namespace perturbine

// Native variants of AdamW.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/optimisation/adamw.h"

namespace perturbine::studies {
namespace {

using Op = AdamW<float>;

// Calls body(segment, begin, end) over every active segment, cut into pieces for the pool.
template <class Body>
void for_active(Cpu& cpu, const Op& op, Body&& body) {
  for (std::size_t s = 0; s < op.active.size; ++s) {
    if (op.active[s] == 0) continue;
    const auto first = static_cast<std::size_t>(op.segment_begin[s]),
               last = static_cast<std::size_t>(op.segment_begin[s + 1]);
    cpu.pool.for_ranges(last - first, 32768,
                        [&](std::size_t begin, std::size_t end) { body(s, first + begin, first + end); });
  }
}

float clip_factor(const Op& op) {
  const float norm = op.norm.data != nullptr ? op.norm[0] : 0.0f;
  return norm > op.clip ? op.clip / norm : 1.0f;
}

void average_and_copy(const Op& op, std::size_t begin, std::size_t end) {
  const float blend = 1 - op.step[AdamWStep::average_decay];
  const float* value = op.value.data;
  float* average = op.average.data;
#pragma omp simd
  for (std::size_t i = begin; i < end; ++i) average[i] += blend * (value[i] - average[i]);
  if (op.copy.data != nullptr)
    for (std::size_t i = begin; i < end; ++i) op.copy[i] = bfloat16(value[i]);
}

void a_pass_a_line(Cpu& cpu, const Op& op) {
  thread_local std::vector<float> own;  // the gradient with clip and penalty
  own.resize(op.value.size);
  float* g = own.data();
  const float scale = clip_factor(op);
  const float *gradient = op.gradient.data, c1 = 1 / op.step[AdamWStep::bias_correction_1],
              c2 = 1 / op.step[AdamWStep::bias_correction_2], rate = op.step[AdamWStep::rate];
  float *value = op.value.data, *m = op.first_moment.data, *v = op.second_moment.data;
  for_active(cpu, op, [&](std::size_t s, std::size_t begin, std::size_t end) {
    const float penalty = op.penalty[s];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) g[i] = scale * gradient[i] + penalty * value[i];
  });
  for_active(cpu, op, [&](std::size_t, std::size_t begin, std::size_t end) {
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) m[i] = op.beta1 * m[i] + (1 - op.beta1) * g[i];
  });
  for_active(cpu, op, [&](std::size_t, std::size_t begin, std::size_t end) {
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) v[i] = op.beta2 * v[i] + (1 - op.beta2) * g[i] * g[i];
  });
  for_active(cpu, op, [&](std::size_t s, std::size_t begin, std::size_t end) {
    const float step = rate * op.segment_rate[s], decay = op.decay[s];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i)
      value[i] -= step * (m[i] * c1 / (std::sqrt(v[i] * c2) + op.epsilon) + decay * value[i]);
  });
  for_active(cpu, op, [&](std::size_t, std::size_t begin, std::size_t end) { average_and_copy(op, begin, end); });
}

void average_apart(Cpu& cpu, const Op& op) {
  const float scale = clip_factor(op);
  const float *gradient = op.gradient.data, c1 = 1 / op.step[AdamWStep::bias_correction_1],
              c2 = 1 / op.step[AdamWStep::bias_correction_2], rate = op.step[AdamWStep::rate];
  float *value = op.value.data, *m = op.first_moment.data, *v = op.second_moment.data;
  for_active(cpu, op, [&](std::size_t s, std::size_t begin, std::size_t end) {
    const float step = rate * op.segment_rate[s], decay = op.decay[s], penalty = op.penalty[s];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) {
      const float g = scale * gradient[i] + penalty * value[i];
      m[i] = op.beta1 * m[i] + (1 - op.beta1) * g;
      v[i] = op.beta2 * v[i] + (1 - op.beta2) * g * g;
      value[i] -= step * (m[i] * c1 / (std::sqrt(v[i] * c2) + op.epsilon) + decay * value[i]);
    }
  });
  for_active(cpu, op, [&](std::size_t, std::size_t begin, std::size_t end) { average_and_copy(op, begin, end); });
}

}  // namespace

PERTURBINE_VARIANT("adamw", "a_pass_a_line", Cpu, a_pass_a_line, AdamW<float>)
PERTURBINE_VARIANT("adamw", "average_apart", Cpu, average_apart, AdamW<float>)

}  // namespace perturbine::studies

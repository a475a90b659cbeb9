// A device variant of AdamW: four elements a thread, 16 bytes an access.
#include "bench/studies/variant.h"
#include "kernels/core/vector.cuh"
#include "kernels/optimisation/adamw.h"

namespace perturbine::studies {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;
using Op = AdamW<float>;
constexpr unsigned threads = 256;

__device__ __forceinline__ std::size_t segment_of(VectorView<const std::int32_t> begin, std::size_t i) {
  std::size_t low = 0, high = begin.size - 1;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (static_cast<std::size_t>(begin[middle]) <= i ? low : high) = middle;
  }
  return low;
}

template <int Count>
__device__ __forceinline__ void step(const Op& op, std::size_t i, std::size_t s, float scale) {
  float p[Count], g[Count], m[Count], v[Count], a[Count];
  load<Count>(op.value.data + i, p), load<Count>(op.gradient.data + i, g), load<Count>(op.first_moment.data + i, m);
  load<Count>(op.second_moment.data + i, v), load<Count>(op.average.data + i, a);
  for (int k = 0; k < Count; ++k) {
    g[k] = scale * g[k] + op.penalty[s] * p[k];
    m[k] = op.beta1 * m[k] + (1 - op.beta1) * g[k];
    v[k] = op.beta2 * v[k] + (1 - op.beta2) * g[k] * g[k];
    const float direction = m[k] / op.step[AdamWStep::bias_correction_1] /
                            (sqrtf(v[k] / op.step[AdamWStep::bias_correction_2]) + op.epsilon);
    p[k] -= op.step[AdamWStep::rate] * op.segment_rate[s] * (direction + op.decay[s] * p[k]);
    a[k] += (1 - op.step[AdamWStep::average_decay]) * (p[k] - a[k]);
  }
  store<Count>(op.first_moment.data + i, m), store<Count>(op.second_moment.data + i, v);
  store<Count>(op.value.data + i, p), store<Count>(op.average.data + i, a);
  if (op.copy.data != nullptr)
    for (int k = 0; k < Count; ++k) op.copy[i + static_cast<std::size_t>(k)] = bfloat16(p[k]);
}

__global__ void __launch_bounds__(threads) four_a_thread(Op op) {
  const std::size_t first = 4 * (static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x), n = op.value.size;
  if (first >= n) return;
  const std::size_t last = first + 4 < n ? first + 4 : n;
  const float norm = op.norm.data != nullptr ? op.norm[0] : 0.0f;
  const float scale = norm > op.clip ? op.clip / norm : 1.0f;
  const std::size_t s = segment_of(op.segment_begin, first);
  const bool aligned = is_vector_aligned(op.value.data) && is_vector_aligned(op.gradient.data) &&
                       is_vector_aligned(op.first_moment.data) && is_vector_aligned(op.second_moment.data) &&
                       is_vector_aligned(op.average.data);
  if (aligned && last == first + 4 && segment_of(op.segment_begin, last - 1) == s) {
    if (op.active[s] != 0) step<4>(op, first, s, scale);
    return;
  }
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t own = segment_of(op.segment_begin, i);
    if (op.active[own] != 0) step<1>(op, i, own, scale);
  }
}

void enqueue(DeviceExecutor& executor, const Op& op) {
  launch(four_a_thread, dim3(blocks_for(op.value.size, std::size_t{4} * threads)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_VARIANT("adamw", "four_a_thread", DeviceExecutor, enqueue, AdamW<float>)

}  // namespace perturbine::studies

#include "kernels/optimisation/adamw.h"

#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 256, per_block = 4096;

// The segment that holds element i: the last one that begins at or before it.
__device__ __forceinline__ std::size_t segment_of(VectorView<const std::int32_t> begin, std::size_t i) {
  std::size_t low = 0, high = begin.size - 1;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    if (static_cast<std::size_t>(begin[middle]) <= i)
      low = middle;
    else
      high = middle;
  }
  return low;
}

__global__ void __launch_bounds__(threads) squares(GlobalNorm<float> op, float* partial) {
  float sum = 0;
  for (unsigned k = threadIdx.x; k < per_block; k += threads) {
    const std::size_t i = static_cast<std::size_t>(blockIdx.x) * per_block + k;
    if (i >= op.gradient.size) break;
    if (op.active[segment_of(op.segment_begin, i)] != 0) sum += op.gradient[i] * op.gradient[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads) root_of_sum(const float* partial, unsigned blocks, float* norm) {
  float sum = 0;
  for (unsigned b = threadIdx.x; b < blocks; b += threads) sum += partial[b];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = sqrtf(sum);
}

__global__ void __launch_bounds__(threads) adamw(AdamW<float> op) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x;
  if (i >= op.value.size) return;
  const std::size_t s = segment_of(op.segment_begin, i);
  if (op.active[s] == 0) return;
  const float norm = op.norm.data != nullptr ? op.norm[0] : 0.0f;
  const float scale = norm > op.clip ? op.clip / norm : 1.0f;
  const float p = op.value[i], g = scale * op.gradient[i] + op.penalty[s] * p;
  const float m = op.beta1 * op.first_moment[i] + (1 - op.beta1) * g;
  const float v = op.beta2 * op.second_moment[i] + (1 - op.beta2) * g * g;
  op.first_moment[i] = m;
  op.second_moment[i] = v;
  const float direction =
      m / op.step[AdamWStep::bias_correction_1] / (sqrtf(v / op.step[AdamWStep::bias_correction_2]) + op.epsilon);
  const float moved = p - op.step[AdamWStep::rate] * op.segment_rate[s] * (direction + op.decay[s] * p);
  op.value[i] = moved;
  op.average[i] += (1 - op.step[AdamWStep::average_decay]) * (moved - op.average[i]);
  if (op.copy.data != nullptr) op.copy[i] = bfloat16(moved);
}

void enqueue(DeviceExecutor& executor, const GlobalNorm<float>& op) {
  const unsigned blocks = blocks_for(op.gradient.size, per_block);
  float* partial = workspace<float>(executor, blocks);
  launch(squares, dim3(blocks), dim3(threads), 0, executor, op, partial);
  launch(root_of_sum, dim3(1), dim3(threads), 0, executor, partial, blocks, op.norm.data);
}
void enqueue(DeviceExecutor& executor, const AdamW<float>& op) {
  launch(adamw, dim3(blocks_for(op.value.size, threads)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GlobalNorm<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, AdamW<float>)

}  // namespace perturbine

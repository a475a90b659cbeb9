// Costs: a block per point x_i. Row potentials and draws: a block per row. Column potentials: a thread per column, so
// that neighbouring threads read neighbouring costs.
#include "kernels/transport/sinkhorn.h"

#include "kernels/core/formulas.h"
#include "kernels/core/philox.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) pairwise_cost(PairwiseCost<float> op) {
  float* x = dynamic_shared<float>();
  const std::size_t i = blockIdx.x, width = op.x.columns;
  for (std::size_t k = threadIdx.x; k < width; k += threads) x[k] = op.x(i, k);
  __syncthreads();
  for (std::size_t j = threadIdx.x; j < op.y.rows; j += threads) {
    const float* y = op.y.row(j);
    float squared = 0;
    for (std::size_t k = 0; k < width; ++k) squared += (x[k] - y[k]) * (x[k] - y[k]);
    op.cost_matrix(i, j) = squared;
  }
}

// A running log-sum-exp: the largest term and the sum relative to it.
struct LogSum {
  float largest, sum;
};
__device__ __forceinline__ void add(LogSum& s, float value) {
  const float largest = value > s.largest ? value : s.largest;
  s.sum = s.sum * formulas::exp(s.largest - largest) + formulas::exp(value - largest);
  s.largest = largest;
}

constexpr float nothing = -1e30f;  // below every term; finite, so that differences are too

__global__ void __launch_bounds__(threads) sinkhorn_rows(SinkhornHalf<float> op) {
  __shared__ float maxima[threads / 32];
  const std::size_t i = blockIdx.x, m = op.cost_matrix.columns;
  const float inverse = 1 / op.epsilon;
  const float* c = op.cost_matrix.row(i);
  LogSum s{nothing, 0};
  for (std::size_t j = threadIdx.x; j < m; j += threads)
    add(s, op.log_weight[j] + op.other[j] * inverse - c[j] * inverse);
  const float of_warp = warp_max(s.largest);
  if (threadIdx.x % 32 == 0) maxima[threadIdx.x / 32] = of_warp;
  __syncthreads();
  float largest = maxima[0];
  for (unsigned w = 1; w < threads / 32; ++w) largest = maxima[w] > largest ? maxima[w] : largest;
  const float sum = block_sum(s.sum * formulas::exp(s.largest - largest));
  if (threadIdx.x == 0) op.potential[i] = -op.damping * op.epsilon * (largest + formulas::log(sum));
}

__global__ void __launch_bounds__(threads) sinkhorn_columns(SinkhornHalf<float> op) {
  const std::size_t j = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (j >= op.cost_matrix.columns) return;
  const float inverse = 1 / op.epsilon;
  LogSum s{nothing, 0};
  for (std::size_t i = 0; i < op.cost_matrix.rows; ++i)
    add(s, op.log_weight[i] + op.other[i] * inverse - op.cost_matrix(i, j) * inverse);
  op.potential[j] = -op.damping * op.epsilon * (s.largest + formulas::log(s.sum));
}

// The better of two candidates: the greater value, of equal ones the lower column.
__device__ __forceinline__ void better(float& value, std::int32_t& at, float other, std::int32_t other_at) {
  if (other_at >= 0 && (at < 0 || other > value || (other == value && other_at < at))) value = other, at = other_at;
}

__global__ void __launch_bounds__(threads) sample_plan(SamplePlan<float> op) {
  __shared__ float values[threads / 32];
  __shared__ std::int32_t places[threads / 32];
  const std::size_t r = blockIdx.x, m = op.cost_matrix.columns;
  const float* c = op.cost_matrix.row(static_cast<std::size_t>(op.row[r]));
  const float inverse = 1 / op.epsilon;
  float best = 0;
  std::int32_t chosen = -1;
  for (std::size_t j = threadIdx.x * 4; j < m; j += threads * 4) {
    const PhiloxWords w = philox(op.seed, op.offset[0], matrix_subsequence(r, j));
    for (std::size_t k = 0; k < 4 && j + k < m; ++k) {
      const float e = -formulas::log(uniform(w.word[k]));
      const float exponential = e > 1e-10f ? e : 1e-10f;
      better(best, chosen, op.log_weight[j + k] + (op.other[j + k] - c[j + k]) * inverse - formulas::log(exponential),
             static_cast<std::int32_t>(j + k));
    }
  }
  for (int d = 16; d > 0; d /= 2) {
    const float other = __shfl_xor_sync(full_mask, best, d);
    const std::int32_t other_at = __shfl_xor_sync(full_mask, chosen, d);
    better(best, chosen, other, other_at);
  }
  if (threadIdx.x % 32 == 0) values[threadIdx.x / 32] = best, places[threadIdx.x / 32] = chosen;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (unsigned w = 1; w < threads / 32; ++w) better(best, chosen, values[w], places[w]);
  op.partner[r] = chosen;
}

void enqueue(DeviceExecutor& executor, const PairwiseCost<float>& op) {
  launch(pairwise_cost, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), op.x.columns * sizeof(float), executor,
         op);
}
void enqueue(DeviceExecutor& executor, const SinkhornHalf<float>& op) {
  if (op.columns)
    launch(sinkhorn_columns, dim3(blocks_for(op.cost_matrix.columns, threads)), dim3(threads), 0, executor, op);
  else
    launch(sinkhorn_rows, dim3(static_cast<unsigned>(op.cost_matrix.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const SamplePlan<float>& op) {
  launch(sample_plan, dim3(static_cast<unsigned>(op.partner.size)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, PairwiseCost<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SinkhornHalf<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SamplePlan<float>)

}  // namespace perturbine

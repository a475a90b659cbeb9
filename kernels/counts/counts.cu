#include "kernels/counts/counts.h"

#include "kernels/core/reduce.cuh"
#include "kernels/counts/formulas.h"
#include "kernels/counts/sparse_row.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

// One block per row: zeros everywhere, then the values of the row.
__global__ void __launch_bounds__(threads) log_normalise(LogNormalise<float> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) op.y(i, j) = 0;
  __syncthreads();
  const float scale = op.target_sum / op.library_size[i];
  for (std::int32_t k = op.counts.row_offsets[i] + static_cast<std::int32_t>(threadIdx.x);
       k < op.counts.row_offsets[i + 1]; k += static_cast<std::int32_t>(threads))
    op.y(i, static_cast<std::size_t>(op.counts.columns[static_cast<std::size_t>(k)])) =
        formulas::log1p(scale * op.counts.values[static_cast<std::size_t>(k)]);
}

__device__ __forceinline__ formulas::ZeroInflated<float> evaluate(const CountLikelihood<float>& op, std::size_t i,
                                                                  std::size_t j, float x) {
  const float m = op.mean(i, j) < 1e-12f ? 1e-12f : op.mean(i, j);
  if (x == 0) {
    if (op.zero_logit.data != nullptr)
      return formulas::zero_inflated_zero(m / op.theta[j], op.theta[j], op.zero_logit(i, j));
    const formulas::NegativeBinomial<float> zero = formulas::negative_binomial_zero(m / op.theta[j], op.theta[j]);
    return {zero.loss, zero.dmean, zero.dtheta, 0};
  }
  const formulas::NegativeBinomial<float> nb = formulas::negative_binomial(x, m, op.theta[j]);
  if (op.zero_logit.data != nullptr) return formulas::zero_inflated_positive(nb, op.zero_logit(i, j));
  return {nb.loss, nb.dmean, nb.dtheta, 0};
}

// One block per row.
__global__ void __launch_bounds__(threads) count_likelihood(CountLikelihood<float> op) {
  const std::size_t i = blockIdx.x;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.mean.columns; j += threads) {
    const formulas::ZeroInflated<float> r = evaluate(op, i, j, value_at(op.counts, i, static_cast<std::int32_t>(j)));
    sum += r.loss;
    if (op.dmean.data != nullptr) {
      op.dmean(i, j) = op.dloss[i] * r.dmean;
      if (op.dzero_logit.data != nullptr) op.dzero_logit(i, j) = op.dloss[i] * r.dlogit;
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.loss[i] = sum;
}

// dtheta: one thread per gene and block of 64 rows, then the blocks in order.
__global__ void __launch_bounds__(threads) theta_gradient(CountLikelihood<float> op, float* partial) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x;
  if (j >= op.mean.columns) return;
  float sum = 0;
  for (std::size_t i = blockIdx.y * block_rows; i < op.mean.rows && i < (blockIdx.y + 1) * block_rows; ++i)
    sum += op.dloss[i] * evaluate(op, i, j, value_at(op.counts, i, static_cast<std::int32_t>(j))).dtheta;
  partial[blockIdx.y * op.mean.columns + j] = sum;
}

__global__ void __launch_bounds__(threads) sample_counts(SampleCounts<float> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) {
    formulas::ElementRandom random{op.seed, op.offset[0], i, j};
    float rate = op.rate(i, j);
    if (op.theta.data != nullptr && rate > 0) rate *= formulas::unit_gamma(op.theta[j], random);
    op.y(i, j) = formulas::poisson(rate, random);
  }
}

void enqueue(DeviceExecutor& executor, const LogNormalise<float>& op) {
  launch(log_normalise, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const CountLikelihood<float>& op) {
  launch(count_likelihood, dim3(static_cast<unsigned>(op.mean.rows)), dim3(threads), 0, executor, op);
  if (op.dtheta.data == nullptr) return;
  const unsigned blocks = blocks_for(op.mean.rows, block_rows), across = blocks_for(op.mean.columns, threads);
  float* partial = workspace<float>(executor, blocks * op.mean.columns);
  launch(theta_gradient, dim3(across, blocks), dim3(threads), 0, executor, op, partial);
  launch(add_blocks<float>, dim3(across), dim3(threads), 0, executor, partial, blocks, op.mean.columns, op.dtheta,
         false);
}
void enqueue(DeviceExecutor& executor, const SampleCounts<float>& op) {
  launch(sample_counts, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LogNormalise<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, CountLikelihood<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SampleCounts<float>)

}  // namespace perturbine

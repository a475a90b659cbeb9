// One block per row; the prior's variance by columns, in blocks of rows.
#include "kernels/counts/gaussian_latent.h"

#include "kernels/core/formulas.h"
#include "kernels/core/philox.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

__global__ void __launch_bounds__(threads) reparameterise(Reparameterise<float> op) {
  const std::size_t i = blockIdx.x, n = op.y.columns;
  for (std::size_t j = threadIdx.x * 4; j < n; j += threads * 4) {
    float e[4];
    normal4(op.seed, op.offset[0], matrix_subsequence(i, j), e);
    for (std::size_t k = 0; k < 4 && j + k < n; ++k) {
      const float spread = e[k] * formulas::exp(0.5f * op.log_variance(i, j + k));
      op.y(i, j + k) = op.dz.data != nullptr ? 0.5f * op.dz(i, j + k) * spread : op.mean(i, j + k) + spread;
    }
  }
}

__global__ void __launch_bounds__(threads) gaussian_divergence(GaussianDivergence<float> op) {
  const std::size_t i = blockIdx.x;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.mean.columns; j += threads) {
    const float prior = op.prior_log_variance[j], log_ratio = op.log_variance(i, j) - prior,
                ratio = formulas::exp(log_ratio), precision = formulas::exp(-prior),
                d = op.mean(i, j) - op.prior_mean(i, j);
    sum += 0.5f * (ratio + d * d * precision - 1.0f - log_ratio);
    if (op.dmean.data == nullptr) continue;
    op.dmean(i, j) = op.dloss[i] * d * precision, op.dprior_mean(i, j) = -op.dloss[i] * d * precision;
    op.dlog_variance(i, j) = 0.5f * op.dloss[i] * (ratio - 1.0f);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.loss[i] = sum;
}

__global__ void __launch_bounds__(threads) prior_gradient(GaussianDivergence<float> op, float* partial) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x;
  if (j >= op.mean.columns) return;
  const float prior = op.prior_log_variance[j], precision = formulas::exp(-prior);
  float sum = 0;
  for (std::size_t i = blockIdx.y * block_rows; i < op.mean.rows && i < (blockIdx.y + 1) * block_rows; ++i) {
    const float d = op.mean(i, j) - op.prior_mean(i, j);
    sum += 0.5f * op.dloss[i] * (1.0f - formulas::exp(op.log_variance(i, j) - prior) - d * d * precision);
  }
  partial[blockIdx.y * op.mean.columns + j] = sum;
}

void enqueue(DeviceExecutor& executor, const Reparameterise<float>& op) {
  launch(reparameterise, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const GaussianDivergence<float>& op) {
  launch(gaussian_divergence, dim3(static_cast<unsigned>(op.mean.rows)), dim3(threads), 0, executor, op);
  if (op.dmean.data == nullptr) return;
  const unsigned blocks = blocks_for(op.mean.rows, block_rows), across = blocks_for(op.mean.columns, threads);
  float* partial = workspace<float>(executor, blocks * op.mean.columns);
  launch(prior_gradient, dim3(across, blocks), dim3(threads), 0, executor, op, partial);
  launch(add_blocks<float>, dim3(across), dim3(threads), 0, executor, partial, blocks, op.mean.columns,
         op.dprior_log_variance, false);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Reparameterise<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GaussianDivergence<float>)

}  // namespace perturbine

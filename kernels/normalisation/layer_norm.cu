#include "kernels/normalisation/layer_norm.h"

#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

template <class T>
__global__ void __launch_bounds__(threads) layer_norm(LayerNorm<T> op) {
  const std::size_t i = blockIdx.x, n = op.x.columns;
  const T* x = op.x.row(i);
  float sum = 0, squares = 0;
  for (std::size_t j = threadIdx.x; j < n; j += threads) sum += static_cast<float>(x[j]);
  const float mean = block_sum(sum) / static_cast<float>(n);
  for (std::size_t j = threadIdx.x; j < n; j += threads) {
    const float d = static_cast<float>(x[j]) - mean;
    squares += d * d;
  }
  const float inverse = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(n) + op.epsilon);
  for (std::size_t j = threadIdx.x; j < n; j += threads)
    op.y(i, j) = static_cast<T>((static_cast<float>(x[j]) - mean) * inverse * op.gain[j] + op.bias[j]);
  if (threadIdx.x == 0) {
    op.mean[i] = mean;
    op.inverse_deviation[i] = inverse;
  }
}

template <class T>
__global__ void __launch_bounds__(threads) layer_norm_dx(LayerNormBackward<T> op) {
  const std::size_t i = blockIdx.x, n = op.x.columns;
  const float mean = op.mean[i], inverse = op.inverse_deviation[i];
  float sum = 0, sum_normalised = 0;
  for (std::size_t j = threadIdx.x; j < n; j += threads) {
    const float g = static_cast<float>(op.dy(i, j)) * op.gain[j];
    sum += g;
    sum_normalised += g * (static_cast<float>(op.x(i, j)) - mean) * inverse;
  }
  const float mean_d = block_sum(sum) / static_cast<float>(n);
  const float mean_dn = block_sum(sum_normalised) / static_cast<float>(n);
  for (std::size_t j = threadIdx.x; j < n; j += threads) {
    const float normalised = (static_cast<float>(op.x(i, j)) - mean) * inverse;
    const float g = inverse * (static_cast<float>(op.dy(i, j)) * op.gain[j] - mean_d - normalised * mean_dn);
    op.dx(i, j) = static_cast<T>(op.accumulate ? static_cast<float>(op.dx(i, j)) + g : g);
  }
}

// One thread per column and block of 64 rows.
template <class T>
__global__ void __launch_bounds__(threads) partial_sums(LayerNormBackward<T> op, float* partial) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x, n = op.x.columns;
  if (j >= n) return;
  float dgain = 0, dbias = 0;
  for (std::size_t i = blockIdx.y * block_rows; i < op.x.rows && i < (blockIdx.y + 1) * block_rows; ++i) {
    const float g = static_cast<float>(op.dy(i, j));
    dgain += g * (static_cast<float>(op.x(i, j)) - op.mean[i]) * op.inverse_deviation[i];
    dbias += g;
  }
  partial[blockIdx.y * 2 * n + j] = dgain;
  partial[blockIdx.y * 2 * n + n + j] = dbias;
}

template <class T>
void enqueue(DeviceExecutor& executor, const LayerNorm<T>& op) {
  launch(layer_norm<T>, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const LayerNormBackward<T>& op) {
  const unsigned blocks = blocks_for(op.x.rows, block_rows), across = blocks_for(op.x.columns, threads);
  float* partial = workspace<float>(executor, blocks * 2 * op.x.columns);
  launch(partial_sums<T>, dim3(across, blocks), dim3(threads), 0, executor, op, partial);
  const std::size_t n = op.x.columns;
  launch(add_blocks<float>, dim3(across), dim3(threads), 0, executor, partial, blocks, 2 * n, op.dgain, false);
  launch(add_blocks<float>, dim3(across), dim3(threads), 0, executor, partial + n, blocks, 2 * n, op.dbias, false);
  launch(layer_norm_dx<T>, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LayerNorm<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LayerNorm<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LayerNormBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LayerNormBackward<bfloat16>)

}  // namespace perturbine

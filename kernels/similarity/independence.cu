// One block per point; kernels are evaluated anew in every pass, the matrices of pairs are never held.
#include "kernels/similarity/independence.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__device__ __forceinline__ float kernel_of(const MatrixView<const float>& p, std::size_t i, std::size_t j,
                                           float gamma) {
  const float *a = p.row(i), *b = p.row(j);
  float squared = 0;
  for (std::size_t k = 0; k < p.columns; ++k) squared += (a[k] - b[k]) * (a[k] - b[k]);
  return formulas::exp(-gamma * squared);
}

__global__ void __launch_bounds__(threads)
    kernel_means(MatrixView<const float> p, float gamma, VectorView<float> mean) {
  const std::size_t i = blockIdx.x;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < p.rows; j += threads) sum += kernel_of(p, i, j, gamma);
  sum = block_sum(sum);
  if (threadIdx.x == 0) mean[i] = sum / static_cast<float>(p.rows);
}

// out[0] = factor * sum of the first n numbers. One block.
__global__ void __launch_bounds__(threads) total(const float* numbers, std::size_t n, float factor, float* out) {
  float sum = 0;
  for (std::size_t i = threadIdx.x; i < n; i += threads) sum += numbers[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[0] = factor * sum;
}

__global__ void __launch_bounds__(threads) centred_products(Independence<float> op, float* part) {
  const std::size_t i = blockIdx.x, n = op.x.rows;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < n; j += threads)
    sum += (kernel_of(op.x, i, j, op.gamma_x) - op.row_mean[i] - op.row_mean[j] + op.row_mean[n]) *
           (kernel_of(op.y, i, j, op.gamma_y) - op.column_mean[i] - op.column_mean[j] + op.column_mean[n]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) part[i] = sum;
}

__global__ void __launch_bounds__(threads)
    independence_gradient(MatrixView<const float> own, float gamma, MatrixView<const float> other, float gamma_other,
                          VectorView<const float> mean, VectorView<const float> dvalue, MatrixView<float> d) {
  float* sum = dynamic_shared<float>();
  __shared__ float weight[threads];
  const std::size_t i = blockIdx.x, n = own.rows;
  const float rest = static_cast<float>(n - 1), scale = -4 * gamma * dvalue[0] / (rest * rest);
  for (std::size_t k = threadIdx.x; k < own.columns; k += threads) sum[k] = 0;
  for (std::size_t first = 0; first < n; first += threads) {
    const std::size_t j = first + threadIdx.x;
    weight[threadIdx.x] = j < n ? scale * kernel_of(own, i, j, gamma) *
                                      (kernel_of(other, i, j, gamma_other) - mean[i] - mean[j] + mean[n])
                                : 0.0f;
    __syncthreads();
    for (std::size_t k = threadIdx.x; k < own.columns; k += threads) {
      float part = 0;
      for (std::size_t j2 = first; j2 < n && j2 < first + threads; ++j2)
        part += weight[j2 - first] * (own(i, k) - own(j2, k));
      sum[k] += part;
    }
    __syncthreads();  // before the next weights
  }
  for (std::size_t k = threadIdx.x; k < own.columns; k += threads) d(i, k) = sum[k];
}

void enqueue(DeviceExecutor& executor, const Independence<float>& op) {
  const std::size_t n = op.x.rows;
  const dim3 points(static_cast<unsigned>(n));
  const float share = 1.0f / static_cast<float>(n), rest = static_cast<float>(n - 1);
  launch(kernel_means, points, dim3(threads), 0, executor, op.x, op.gamma_x, op.row_mean);
  launch(kernel_means, points, dim3(threads), 0, executor, op.y, op.gamma_y, op.column_mean);
  launch(total, dim3(1), dim3(threads), 0, executor, op.row_mean.data, n, share, op.row_mean.data + n);
  launch(total, dim3(1), dim3(threads), 0, executor, op.column_mean.data, n, share, op.column_mean.data + n);
  float* part = workspace<float>(executor, n);
  launch(centred_products, points, dim3(threads), 0, executor, op, part);
  launch(total, dim3(1), dim3(threads), 0, executor, part, n, 1 / (rest * rest), op.value.data);
}
void enqueue(DeviceExecutor& executor, const IndependenceBackward<float>& op) {
  const dim3 points(static_cast<unsigned>(op.x.rows));
  launch(independence_gradient, points, dim3(threads), op.x.columns * sizeof(float), executor, op.x, op.gamma_x, op.y,
         op.gamma_y, op.column_mean, op.dvalue, op.dx);
  launch(independence_gradient, points, dim3(threads), op.y.columns * sizeof(float), executor, op.y, op.gamma_y, op.x,
         op.gamma_x, op.row_mean, op.dvalue, op.dy);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Independence<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, IndependenceBackward<float>)

}  // namespace perturbine

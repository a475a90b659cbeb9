// A block takes 32 columns: its 8 warps go down the rows, neighbouring threads reading neighbouring columns, and add
// their sums in shared memory. Rows are few where this is used (a batch), columns many.
#include "kernels/normalisation/batch_norm.h"

#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned columns = 32, groups = 8;
constexpr unsigned threads = 256;
static_assert(threads == columns * groups);

// The sum over the groups' rows of a column, known to each of its threads.
__device__ inline float column_sum(float v, float (&partial)[groups][columns]) {
  const unsigned lane = threadIdx.x % columns, group = threadIdx.x / columns;
  __syncthreads();  // the previous use of `partial` is over
  partial[group][lane] = v;
  __syncthreads();
  float sum = 0;
  for (unsigned g = 0; g < groups; ++g) sum += partial[g][lane];
  return sum;
}

template <class T>
__global__ void __launch_bounds__(threads) batch_norm(BatchNorm<T> op) {
  __shared__ float partial[groups][columns];
  const std::size_t j = blockIdx.x * columns + threadIdx.x % columns, group = threadIdx.x / columns;
  // Columns past the last one have no rows, but go along to the barriers.
  const std::size_t rows = j < op.x.columns ? op.x.rows : 0;
  const float count = static_cast<float>(op.x.rows);
  float sum = 0, squares = 0;
  for (std::size_t i = group; i < rows; i += groups) sum += static_cast<float>(op.x(i, j));
  const float mean = column_sum(sum, partial) / count;
  for (std::size_t i = group; i < rows; i += groups) {
    const float d = static_cast<float>(op.x(i, j)) - mean;
    squares += d * d;
  }
  squares = column_sum(squares, partial);
  if (rows == 0) return;
  const float inverse = 1.0f / sqrtf(squares / count + op.epsilon), gain = op.gain[j], bias = op.bias[j];
  for (std::size_t i = group; i < rows; i += groups) {
    const float z = (static_cast<float>(op.x(i, j)) - mean) * inverse * gain + bias;
    op.y(i, j) = static_cast<T>(z > 0 ? z : op.slope * z);
  }
  if (group == 0) {
    op.mean[j] = mean;
    op.inverse_deviation[j] = inverse;
    if (op.running_mean.data != nullptr) {
      op.running_mean[j] += op.momentum * (mean - op.running_mean[j]);
      op.running_variance[j] += op.momentum * (squares / (count - 1) - op.running_variance[j]);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(threads) batch_norm_backward(BatchNormBackward<T> op) {
  __shared__ float partial[groups][columns];
  const std::size_t j = blockIdx.x * columns + threadIdx.x % columns, group = threadIdx.x / columns;
  const std::size_t rows = j < op.x.columns ? op.x.rows : 0;
  const float count = static_cast<float>(op.x.rows);
  const float mean = rows != 0 ? op.mean[j] : 0, inverse = rows != 0 ? op.inverse_deviation[j] : 0;
  const float gain = rows != 0 ? op.gain[j] : 0, bias = rows != 0 ? op.bias[j] : 0;
  float dgain = 0, dbias = 0;
  for (std::size_t i = group; i < rows; i += groups) {
    const float normalised = (static_cast<float>(op.x(i, j)) - mean) * inverse;
    const float g = static_cast<float>(op.dy(i, j)) * (normalised * gain + bias > 0 ? 1.0f : op.slope);
    dgain += g * normalised;
    dbias += g;
  }
  dgain = column_sum(dgain, partial);
  dbias = column_sum(dbias, partial);
  for (std::size_t i = group; i < rows; i += groups) {
    const float normalised = (static_cast<float>(op.x(i, j)) - mean) * inverse;
    const float g = static_cast<float>(op.dy(i, j)) * (normalised * gain + bias > 0 ? 1.0f : op.slope);
    const float d = inverse * gain * (g - dbias / count - normalised * dgain / count);
    op.dx(i, j) = static_cast<T>(op.accumulate ? static_cast<float>(op.dx(i, j)) + d : d);
  }
  if (rows != 0 && group == 0) {
    op.dgain[j] = dgain;
    op.dbias[j] = dbias;
  }
}

template <class T>
__global__ void __launch_bounds__(threads) batch_norm_inference(BatchNormInference<T> op) {
  const std::size_t n = op.x.columns, k = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (k >= op.x.rows * n) return;
  const std::size_t i = k / n, j = k % n;
  const float z =
      (static_cast<float>(op.x(i, j)) - op.mean[j]) / sqrtf(op.variance[j] + op.epsilon) * op.gain[j] + op.bias[j];
  op.y(i, j) = static_cast<T>(z > 0 ? z : op.slope * z);
}

template <class T>
void enqueue(DeviceExecutor& executor, const BatchNorm<T>& op) {
  launch(batch_norm<T>, dim3(blocks_for(op.x.columns, columns)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const BatchNormBackward<T>& op) {
  launch(batch_norm_backward<T>, dim3(blocks_for(op.x.columns, columns)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const BatchNormInference<T>& op) {
  launch(batch_norm_inference<T>, dim3(blocks_for(op.x.rows * op.x.columns, threads)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNorm<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNorm<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNormBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNormBackward<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNormInference<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BatchNormInference<bfloat16>)

}  // namespace perturbine

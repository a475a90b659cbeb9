// One block per row; a thread takes four neighbouring columns, the four numbers of one Philox counter.
#include "kernels/transport/path.h"

#include "kernels/core/philox.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__device__ __forceinline__ const float* row_or_null(const MatrixView<const float>& cells, std::int32_t i) {
  return i >= 0 && static_cast<std::size_t>(i) < cells.rows ? cells.row(static_cast<std::size_t>(i)) : nullptr;
}

__global__ void __launch_bounds__(threads) path_interpolation(PathInterpolation<float> op) {
  const std::size_t r = blockIdx.x;
  const float *a = row_or_null(op.source, op.source_row[r]), *b = row_or_null(op.target, op.target_row[r]);
  const float t = op.time[r];
  for (std::size_t j = threadIdx.x * 4; j < op.xt.columns; j += threads * 4) {
    float noise[4] = {};
    if (op.spread != 0) normal4(op.seed, op.offset[0], matrix_subsequence(r, j), noise);
    for (std::size_t k = 0; k < 4 && j + k < op.xt.columns; ++k) {
      const float u = a != nullptr ? a[j + k] : 0.0f, v = b != nullptr ? b[j + k] : 0.0f;
      const float x = (1 - t) * u + t * v + op.spread * noise[k];
      const float gain = op.variance.size != 0
                             ? formulas::gaussian_path_gain(t, op.variance[j + k], op.covariance[j + k], op.spread)
                             : 0.0f;
      op.xt(r, j + k) = x;
      op.velocity(r, j + k) = v - u - gain * x;
    }
  }
}

__global__ void __launch_bounds__(threads) gaussian_velocity(GaussianVelocity<float> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads)
    op.y(i, j) = op.share * op.F(i, j) +
                 formulas::gaussian_path_gain(op.time[0], op.variance[j], op.covariance[j], op.spread) * op.x(i, j);
}

__global__ void __launch_bounds__(threads) squared_error_loss(SquaredErrorLoss<float> op) {
  const std::size_t i = blockIdx.x;
  const float scale = (op.weight.size != 0 ? op.weight[i] : 1.0f) / static_cast<float>(op.F.columns);
  const float slope = op.dF.data != nullptr ? 2 * scale * op.dloss[i] : 0.0f;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.F.columns; j += threads) {
    const float d = op.F(i, j) - op.target(i, j);
    sum += d * d;
    if (op.dF.data != nullptr) op.dF(i, j) = slope * d;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.loss[i] = scale * sum;
}

void enqueue(DeviceExecutor& executor, const PathInterpolation<float>& op) {
  launch(path_interpolation, dim3(static_cast<unsigned>(op.xt.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const GaussianVelocity<float>& op) {
  launch(gaussian_velocity, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const SquaredErrorLoss<float>& op) {
  launch(squared_error_loss, dim3(static_cast<unsigned>(op.F.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, PathInterpolation<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GaussianVelocity<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SquaredErrorLoss<float>)

}  // namespace perturbine

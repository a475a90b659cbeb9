// One block per row.
#include "kernels/transport/ode.h"

#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

template <class Op>
__device__ __forceinline__ float combine(const Op& op, std::size_t rows, std::size_t i, std::size_t j) {
  float sum = 0;
  for (std::size_t s = 0; s < op.coefficient.size; ++s) sum += op.coefficient[s] * op.slopes(s * rows + i, j);
  return sum;
}

__global__ void __launch_bounds__(threads) ode_stage(OdeStage<float> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads)
    op.y(i, j) = op.x(i, j) + combine(op, op.y.rows, i, j);
}

__global__ void __launch_bounds__(threads) ode_error(OdeError<float> op) {
  const std::size_t i = blockIdx.x;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.x.columns; j += threads) {
    const float x = fabsf(op.x(i, j)), y = fabsf(op.y(i, j));
    const float e = combine(op, op.x.rows, i, j) / (op.absolute + op.relative * (x > y ? x : y));
    sum += e * e;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.error[i] = sqrtf(sum / static_cast<float>(op.x.columns));
}

__global__ void __launch_bounds__(threads) trace_estimate(TraceEstimate<float> op) {
  const std::size_t i = blockIdx.x, width = op.product.columns;
  float sum = 0;
  for (std::size_t p = 0; p < op.probes; ++p) {
    const float *d = op.direction.row(i * op.probes + p), *g = op.product.row(i * op.probes + p);
    for (std::size_t k = threadIdx.x; k < width; k += threads) sum += d[k] * g[k];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.trace[i] = op.scale * sum;
}

void enqueue(DeviceExecutor& executor, const OdeStage<float>& op) {
  launch(ode_stage, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const OdeError<float>& op) {
  launch(ode_error, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const TraceEstimate<float>& op) {
  launch(trace_estimate, dim3(static_cast<unsigned>(op.trace.size)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, OdeStage<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, OdeError<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, TraceEstimate<float>)

}  // namespace perturbine

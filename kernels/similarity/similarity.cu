// One block per point x_i; its threads walk the points y_j. The point x_i lies in dynamic shared memory.
#include "kernels/similarity/similarity.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) pairwise_sum(PairwiseSum<float> op) {
  float* x = dynamic_shared<float>();
  const std::size_t i = blockIdx.x, width = op.x.columns;
  for (std::size_t k = threadIdx.x; k < width; k += threads) x[k] = op.x(i, k);
  __syncthreads();
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.y.rows; j += threads) {
    if (op.same && i == j) continue;
    const float* y = op.y.row(j);
    float squared = 0;
    for (std::size_t k = 0; k < width; ++k) squared += (x[k] - y[k]) * (x[k] - y[k]);
    if (op.kernel == PairKernel::euclidean) {
      sum += sqrtf(squared);
    } else {
      float value = 0;
      for (std::size_t g = 0; g < op.gammas.size; ++g) value += formulas::exp(-op.gammas[g] * squared);
      sum += value / static_cast<float>(op.gammas.size);
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.sum[i] = sum;
}

void enqueue(DeviceExecutor& executor, const PairwiseSum<float>& op) {
  launch(pairwise_sum, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), op.x.columns * sizeof(float), executor,
         op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, PairwiseSum<float>)

}  // namespace perturbine

// One block per point. Its threads first find the weights of 128 other points, then each takes a coordinate and adds
// those points up in their order: no two threads write to one sum.
#include "kernels/similarity/pairwise_gradient.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads)
    pairwise_gradient(MatrixView<const float> p, MatrixView<const float> q, VectorView<const float> own,
                      VectorView<const float> other, VectorView<const float> gammas, PairKernel kernel, bool same,
                      MatrixView<float> d) {
  float* x = dynamic_shared<float>();  // the point, then what has been summed
  float* sum = x + p.columns;
  __shared__ float weight[threads];
  const std::size_t i = blockIdx.x, width = p.columns;
  for (std::size_t k = threadIdx.x; k < width; k += threads) x[k] = p(i, k), sum[k] = 0;
  __syncthreads();
  for (std::size_t first = 0; first < q.rows; first += threads) {
    const std::size_t j = first + threadIdx.x;
    float w = 0;
    if (j < q.rows && !(same && i == j)) {
      float squared = 0;
      for (std::size_t k = 0; k < width; ++k) squared += (x[k] - q(j, k)) * (x[k] - q(j, k));
      w = ((own.size != 0 ? own[i] : 0.0f) + (other.size != 0 ? other[j] : 0.0f)) *
          formulas::pair_slope(kernel, gammas, squared);
    }
    weight[threadIdx.x] = w;
    __syncthreads();
    for (std::size_t k = threadIdx.x; k < width; k += threads) {
      float part = 0;
      for (std::size_t j2 = first; j2 < q.rows && j2 < first + threads; ++j2)
        part += weight[j2 - first] * (x[k] - q(j2, k));
      sum[k] += part;
    }
    __syncthreads();  // before the next weights
  }
  for (std::size_t k = threadIdx.x; k < width; k += threads) d(i, k) = sum[k];
}

void enqueue(DeviceExecutor& executor, const PairwiseSumBackward<float>& op) {
  const VectorView<const float> none;
  const std::size_t shared = 2 * op.x.columns * sizeof(float);
  if (op.dx.data != nullptr)
    launch(pairwise_gradient, dim3(static_cast<unsigned>(op.x.rows)), dim3(threads), shared, executor, op.x, op.y,
           op.dsum, op.same ? op.dsum : none, op.gammas, op.kernel, op.same, op.dx);
  if (op.dy.data != nullptr)
    launch(pairwise_gradient, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), shared, executor, op.y, op.x, none,
           op.dsum, op.gammas, op.kernel, false, op.dy);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, PairwiseSumBackward<float>)

}  // namespace perturbine

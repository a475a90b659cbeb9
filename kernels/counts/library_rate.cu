// One block per row.
#include "kernels/counts/library_rate.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) library_rate(LibraryRate<float> op) {
  __shared__ float largest_of_warp[threads / 32];
  const std::size_t i = blockIdx.x, n = op.rate.columns;
  float scale = op.library_size[i];
  if (!op.softmax) {
    for (std::size_t j = threadIdx.x; j < n; j += threads) {
      const float x = op.logits(i, j);
      op.rate(i, j) = scale * formulas::exp(x > op.most ? op.most : x);
    }
    return;
  }
  float largest = op.logits(i, 0), sum = 0;
  for (std::size_t j = threadIdx.x; j < n; j += threads) {
    const float x = op.logits(i, j);
    largest = x > largest ? x : largest;
  }
  largest = warp_max(largest);
  if (threadIdx.x % 32 == 0) largest_of_warp[threadIdx.x / 32] = largest;
  __syncthreads();
  for (unsigned w = 0; w < threads / 32; ++w) largest = largest_of_warp[w] > largest ? largest_of_warp[w] : largest;
  for (std::size_t j = threadIdx.x; j < n; j += threads) sum += formulas::exp(op.logits(i, j) - largest);
  scale /= block_sum(sum);
  for (std::size_t j = threadIdx.x; j < n; j += threads)
    op.rate(i, j) = scale * formulas::exp(op.logits(i, j) - largest);
}

__global__ void __launch_bounds__(threads) library_rate_backward(LibraryRateBackward<float> op) {
  const std::size_t i = blockIdx.x, n = op.rate.columns;
  float shared = 0;
  if (op.softmax) {
    for (std::size_t j = threadIdx.x; j < n; j += threads) shared += op.drate(i, j) * op.rate(i, j);
    shared = block_sum(shared) / op.library_size[i];
  }
  for (std::size_t j = threadIdx.x; j < n; j += threads) {
    const bool held = !op.softmax && op.logits(i, j) > op.most;
    op.dlogits(i, j) = held ? 0.0f : op.rate(i, j) * (op.drate(i, j) - shared);
  }
}

void enqueue(DeviceExecutor& executor, const LibraryRate<float>& op) {
  launch(library_rate, dim3(static_cast<unsigned>(op.rate.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const LibraryRateBackward<float>& op) {
  launch(library_rate_backward, dim3(static_cast<unsigned>(op.rate.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LibraryRate<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, LibraryRateBackward<float>)

}  // namespace perturbine

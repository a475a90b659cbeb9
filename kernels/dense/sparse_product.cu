// A block per row and 128 columns: the row's numbers are read once into shared memory, 128 at a time, and each thread
// adds up its column, so that a warp reads neighbouring elements of b.
#include "kernels/dense/sparse_product.h"

#include "kernels/core/device.h"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) sparse_product(SparseProduct<float> op) {
  __shared__ float value[threads];
  __shared__ std::int32_t column[threads];
  const std::size_t row = blockIdx.x, j = blockIdx.y * std::size_t{threads} + threadIdx.x;
  const std::int32_t last = op.a.row_offsets[row + 1];
  float sum = 0;
  for (std::int32_t first = op.a.row_offsets[row]; first < last; first += static_cast<std::int32_t>(threads)) {
    const std::int32_t k = first + static_cast<std::int32_t>(threadIdx.x);
    if (k < last) {
      value[threadIdx.x] = op.a.values[static_cast<std::size_t>(k)];
      column[threadIdx.x] = op.a.columns[static_cast<std::size_t>(k)];
    }
    __syncthreads();
    const std::int32_t left = last - first, count = left < static_cast<std::int32_t>(threads) ? left : threads;
    if (j < op.c.columns)
      for (std::int32_t n = 0; n < count; ++n) sum += value[n] * op.b(static_cast<std::size_t>(column[n]), j);
    __syncthreads();
  }
  if (j < op.c.columns) op.c(row, j) = sum;
}

void enqueue(DeviceExecutor& executor, const SparseProduct<float>& op) {
  launch(sparse_product, dim3(static_cast<unsigned>(op.a.rows), blocks_for(op.c.columns, threads)), dim3(threads), 0,
         executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SparseProduct<float>)

}  // namespace perturbine

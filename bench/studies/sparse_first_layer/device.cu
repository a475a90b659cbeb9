// Device variant of a sparse matrix times a dense one.
#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/counts/sparse_row.cuh"
#include "kernels/dense/sparse_product.h"

namespace perturbine::studies {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;
using Op = SparseProduct<float>;

constexpr unsigned threads = 128;

// Every element of the row is looked up, as a dense product would read it: what zeros cost where nothing leaves them
// out.
__global__ void __launch_bounds__(threads) all_elements(Op op) {
  __shared__ float value[threads];
  const std::size_t row = blockIdx.x, j = blockIdx.y * std::size_t{threads} + threadIdx.x;
  float sum = 0;
  for (std::size_t first = 0; first < op.a.column_count; first += threads) {
    const std::size_t left = op.a.column_count - first, count = left < threads ? left : threads;
    if (threadIdx.x < count) value[threadIdx.x] = value_at(op.a, row, static_cast<std::int32_t>(first + threadIdx.x));
    __syncthreads();
    if (j < op.c.columns)
      for (std::size_t n = 0; n < count; ++n) sum += value[n] * op.b(first + n, j);
    __syncthreads();
  }
  if (j < op.c.columns) op.c(row, j) = sum;
}

void densify(DeviceExecutor& executor, const Op& op) {
  launch(all_elements, dim3(static_cast<unsigned>(op.a.rows), blocks_for(op.c.columns, threads)), dim3(threads), 0,
         executor, op);
}

}  // namespace

PERTURBINE_VARIANT("sparse_first_layer", "densify", DeviceExecutor, densify, SparseProduct<float>)

}  // namespace perturbine::studies

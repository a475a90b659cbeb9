// Device variant of column sums.
#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/dense/epilogue.h"

namespace perturbine::studies {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;
using Op = BiasActivationBackward<float>;

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

__global__ void __launch_bounds__(threads) set_zero(VectorView<float> v) {
  const std::size_t j = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (j < v.size) v[j] = 0;
}
__global__ void __launch_bounds__(threads) add_blocks(Op op) {
  const std::size_t j = blockIdx.x * std::size_t{threads} + threadIdx.x, first = blockIdx.y * block_rows;
  if (j >= op.dy.columns) return;
  const std::size_t last = first + block_rows < op.dy.rows ? first + block_rows : op.dy.rows;
  float sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += op.dy(i, j);
  atomicAdd(&op.dbias[j], sum);
}

void atomic_blocks(DeviceExecutor& executor, const Op& op) {
  require(op.activation == Activation::none && !op.accumulate, "this variant only sums");
  const unsigned across = blocks_for(op.dy.columns, threads);
  launch(set_zero, dim3(across), dim3(threads), 0, executor, op.dbias);
  launch(add_blocks, dim3(across, blocks_for(op.dy.rows, block_rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_VARIANT("determinism", "atomic_blocks", DeviceExecutor, atomic_blocks, BiasActivationBackward<float>)

}  // namespace perturbine::studies

// Device variant of the gradient of a table of embeddings.
#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/embedding/embedding.h"

namespace perturbine::studies {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;
using Op = SetEmbeddingBackward<float>;

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) set_zero(Op op) {
  for (std::size_t j = threadIdx.x; j < op.dtable.columns; j += threads) op.dtable(blockIdx.x, j) = 0;
}
__global__ void __launch_bounds__(threads) add_members(Op op) {
  const auto member = static_cast<std::size_t>(op.order[blockIdx.x]);
  const auto entry = static_cast<std::size_t>(op.sorted[blockIdx.x]),
             row = static_cast<std::size_t>(op.member_row[member]);
  const float w = op.weight[member];
  for (std::size_t j = threadIdx.x; j < op.dtable.columns; j += threads)
    atomicAdd(&op.dtable(entry, j), w * op.dy(row, j));
}

void atomics(DeviceExecutor& executor, const Op& op) {
  launch(set_zero, dim3(static_cast<unsigned>(op.dtable.rows)), dim3(threads), 0, executor, op);
  if (op.sorted.size > 0)
    launch(add_members, dim3(static_cast<unsigned>(op.sorted.size)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_VARIANT("embedding_gradient", "atomics", DeviceExecutor, atomics, SetEmbeddingBackward<float>)

}  // namespace perturbine::studies

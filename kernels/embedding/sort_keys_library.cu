// CUB's device-wide radix sort: stable, and the same order on every run.
#include <cub/device/device_radix_sort.cuh>
#include <cuda/std/limits>

#include "kernels/core/device.h"
#include "kernels/embedding/embedding.h"

namespace perturbine {
namespace {

__global__ void count_up(std::int32_t* out, std::size_t n) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) out[i] = static_cast<std::int32_t>(i);
}

void enqueue(Cuda& executor, const SortKeys<std::int32_t>& op) {
  const auto n = static_cast<int>(op.key.size);
  if (n == 0) return;
  std::size_t scratch = 0;
  check_cuda(
      cub::DeviceRadixSort::SortPairs(nullptr, scratch, op.key.data, op.sorted.data, op.order.data, op.order.data, n),
      "sizing a sort");
  const std::size_t positions = (op.key.size * sizeof(std::int32_t) + 255) / 256 * 256;
  auto* memory = workspace<unsigned char>(executor, positions + scratch);
  auto* identity = reinterpret_cast<std::int32_t*>(memory);
  launch(count_up, dim3(blocks_for(op.key.size, 256)), dim3(256), 0, executor, identity, op.key.size);
  check_cuda(cub::DeviceRadixSort::SortPairs(memory + positions, scratch, op.key.data, op.sorted.data, identity,
                                             op.order.data, n, 0, 32, static_cast<cudaStream_t>(executor.stream)),
             "sorting keys");
}

}  // namespace

PERTURBINE_EXECUTE(Cuda, enqueue, SortKeys<std::int32_t>)

}  // namespace perturbine

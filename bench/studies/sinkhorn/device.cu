// A device variant of whole Sinkhorn iterations: a launch a half, as larger matrices and older GPUs have it.
#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine::studies {
namespace {

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) set_zero(VectorView<float> v) {
  const std::size_t i = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (i < v.size) v[i] = 0;
}

void launch_a_half(DeviceExecutor& executor, const Sinkhorn<float>& op) {
  launch(set_zero, dim3(blocks_for(op.g.size, threads)), dim3(threads), 0, executor, op.g);
  for (std::size_t k = 0; k < op.iterations; ++k)
    for (const bool columns : {false, true}) run_shipped(executor, op.half(columns));
}

}  // namespace

PERTURBINE_VARIANT("sinkhorn", "launch_a_half", DeviceExecutor, launch_a_half, Sinkhorn<float>)

}  // namespace perturbine::studies

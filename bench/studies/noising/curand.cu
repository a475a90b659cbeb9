// Noising by cuRAND's device functions, for CUDA alone. Its Philox and ours count alike (key: seed; counter: offset and
// subsequence), so that the numbers are the same but for the last digits of its fast sine and cosine. Its host
// interface gives numbers in an order of its own, which cannot be made again at a row and column: it is no variant of
// this operation.
#include <curand_kernel.h>

#include "bench/studies/variant.h"
#include "kernels/core/device.h"
#include "kernels/core/philox.h"
#include "kernels/diffusion/diffusion.h"

namespace perturbine::studies {
namespace {

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) noise_by_curand(DiffusionNoise<float> op) {
  const float alpha = op.alpha[blockIdx.x], sigma = op.sigma[blockIdx.x];
  for (std::size_t j = threadIdx.x * 4; j < op.xt.columns; j += threads * 4) {
    curandStatePhilox4_32_10_t state;
    curand_init(op.seed, matrix_subsequence(blockIdx.x, j), 4 * op.offset[0], &state);
    const float4 e = curand_normal4(&state);
    const float noise[4] = {e.y, e.x, e.w, e.z};  // it puts the sine first
    for (std::size_t k = 0; k < 4 && j + k < op.xt.columns; ++k)
      op.xt(blockIdx.x, j + k) = alpha * op.x0(blockIdx.x, j + k) + sigma * noise[k];
  }
}

void by_curand(DeviceExecutor& executor, const DiffusionNoise<float>& op) {
  launch(noise_by_curand, dim3(static_cast<unsigned>(op.xt.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_VARIANT("noising", "curand", DeviceExecutor, by_curand, DiffusionNoise<float>)

}  // namespace perturbine::studies

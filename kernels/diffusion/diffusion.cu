// One block per row; a thread takes four neighbouring columns, the four numbers of one Philox counter.
#include "kernels/diffusion/diffusion.h"

#include "kernels/core/philox.h"
#include "kernels/core/reduce.cuh"
#include "kernels/diffusion/target.h"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

// Calls body(column, noise) for the columns of this thread.
template <class Body>
__device__ __forceinline__ void with_noise(std::uint64_t seed, std::uint64_t offset, std::size_t columns, Body&& body) {
  for (std::size_t j = threadIdx.x * 4; j < columns; j += threads * 4) {
    float noise[4];
    normal4(seed, offset, matrix_subsequence(blockIdx.x, j), noise);
    for (std::size_t k = 0; k < 4 && j + k < columns; ++k) body(j + k, noise[k]);
  }
}

template <class T>
__global__ void __launch_bounds__(threads) diffusion_noise(DiffusionNoise<T> op) {
  const float alpha = op.alpha[blockIdx.x], sigma = op.sigma[blockIdx.x];
  with_noise(op.seed, op.offset[0], op.xt.columns, [&](std::size_t j, float e) {
    op.xt(blockIdx.x, j) = static_cast<T>(alpha * static_cast<float>(op.x0(blockIdx.x, j)) + sigma * e);
  });
}

template <class T, Target target>
__global__ void __launch_bounds__(threads) diffusion_loss(DiffusionLoss<T> op) {
  const std::size_t i = blockIdx.x;
  const float alpha = op.alpha[i], sigma = op.sigma[i], scale = op.weight[i] / static_cast<float>(op.F.columns);
  const float slope = op.dF.data != nullptr ? 2 * scale * op.dloss[i] : 0.0f;
  float sum = 0;
  with_noise(op.seed, op.offset[0], op.F.columns, [&](std::size_t j, float e) {
    const float v = target == Target::x0 ? op.variance[j] : 1.0f;
    const float d = static_cast<float>(op.F(i, j)) -
                    formulas::diffusion_target<target>(static_cast<float>(op.x0(i, j)), e, alpha, sigma, v);
    const float w = op.column_weight.data != nullptr ? op.column_weight[j] : 1.0f;
    sum += w * d * d;
    if (op.dF.data != nullptr) op.dF(i, j) = static_cast<T>(slope * w * d);
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.loss[i] = scale * sum;
}

template <class T, Target target>
__global__ void __launch_bounds__(threads) denoise(Denoise<T> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.x0.columns; j += threads)
    op.x0(i, j) = static_cast<T>(formulas::denoised<target>(static_cast<float>(op.F(i, j)),
                                                            static_cast<float>(op.xt(i, j)), op.alpha[i], op.sigma[i],
                                                            target == Target::x0 ? op.variance[j] : 1.0f));
}

template <class T>
__global__ void __launch_bounds__(threads) reverse_step(ReverseStep<T> op) {
  const std::size_t i = blockIdx.x;
  const float* c = op.coefficients.row(static_cast<std::size_t>(op.step[0]));
  auto step = [&](std::size_t j, float e) {
    float y = c[0] * static_cast<float>(op.x(i, j)) + c[1] * static_cast<float>(op.x0(i, j)) + c[3] * e;
    if (op.previous.data != nullptr) y += c[2] * static_cast<float>(op.previous(i, j));
    op.y(i, j) = static_cast<T>(y);
  };
  if (c[3] == 0.0f) {
    for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) step(j, 0.0f);
  } else {
    with_noise(op.seed, op.offset[0] + static_cast<std::uint64_t>(op.step[0]), op.y.columns, step);
  }
}

template <class T>
__global__ void __launch_bounds__(threads) guidance(Guidance<T> op) {
  const std::size_t i = blockIdx.x;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) {
    const float n = static_cast<float>(op.none(i, j)), c = static_cast<float>(op.context(i, j)),
                b = static_cast<float>(op.both(i, j));
    op.y(i, j) = static_cast<T>(n + op.context_scale * (c - n) + op.perturbation_scale * (b - c));
  }
}

template <class T>
void enqueue(DeviceExecutor& executor, const DiffusionNoise<T>& op) {
  launch(diffusion_noise<T>, dim3(static_cast<unsigned>(op.xt.rows)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const DiffusionLoss<T>& op) {
  formulas::dispatch_target(op.target, [&](auto target) {
    launch(diffusion_loss<T, decltype(target)::value>, dim3(static_cast<unsigned>(op.F.rows)), dim3(threads), 0,
           executor, op);
  });
}
template <class T>
void enqueue(DeviceExecutor& executor, const Denoise<T>& op) {
  formulas::dispatch_target(op.target, [&](auto target) {
    launch(denoise<T, decltype(target)::value>, dim3(static_cast<unsigned>(op.x0.rows)), dim3(threads), 0, executor,
           op);
  });
}
template <class T>
void enqueue(DeviceExecutor& executor, const ReverseStep<T>& op) {
  launch(reverse_step<T>, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const Guidance<T>& op) {
  launch(guidance<T>, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

#define PERTURBINE_BOTH(Op)                              \
  PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Op<float>) \
  PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Op<bfloat16>)
PERTURBINE_BOTH(DiffusionNoise)
PERTURBINE_BOTH(DiffusionLoss)
PERTURBINE_BOTH(Denoise)
PERTURBINE_BOTH(ReverseStep)
PERTURBINE_BOTH(Guidance)

}  // namespace perturbine

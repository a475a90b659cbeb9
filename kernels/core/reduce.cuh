// Reductions inside a warp and a block, in a fixed order: the same input gives the same bits.
#pragma once
#include "kernels/core/device.h"

namespace perturbine::PERTURBINE_DEVICE_NAMESPACE {

inline constexpr unsigned full_mask = 0xffffffffu;

template <class T>
__device__ __forceinline__ T warp_sum(T v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(full_mask, v, d);
  return v;
}
__device__ __forceinline__ float warp_max(float v) {
  for (int d = 16; d > 0; d /= 2) {
    const float other = __shfl_xor_sync(full_mask, v, d);
    v = other > v ? other : v;
  }
  return v;
}

/// Sum over the block, known to every thread. blockDim.x is a multiple of 32 and the block is one-dimensional.
template <class T>
__device__ inline T block_sum(T v) {
  __shared__ T partial[32];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  v = warp_sum(v);
  __syncthreads();  // the previous use of `partial` is over
  if (lane == 0) partial[warp] = v;
  __syncthreads();
  return warp_sum(lane < warps ? partial[lane] : T{0});
}

/// Stage two of column sums over blocks of rows: one thread of 128 per column adds the blocks' partial sums in their
/// order. Block b's sums stand at partial + b * stride.
template <class T>
__global__ void __launch_bounds__(128)
    add_blocks(const T* partial, unsigned blocks, std::size_t stride, VectorView<T> out, bool accumulate) {
  const std::size_t column = blockIdx.x * 128 + threadIdx.x;
  if (column >= out.size) return;
  T sum = accumulate ? out[column] : T{0};
  for (unsigned b = 0; b < blocks; ++b) sum += partial[b * stride + column];
  out[column] = sum;
}

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

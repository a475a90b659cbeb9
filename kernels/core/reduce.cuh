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

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

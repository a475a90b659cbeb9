// Kernels for the emulator's own tests: good ones that use what CUDA offers, and planted faults that must be found.
#pragma once
#include "kernels/core/device.h"
#include "kernels/core/mma.cuh"
#include "kernels/core/reduce.cuh"
#include "kernels/core/vector.cuh"

namespace perturbine::emulated_device {

// 32 x 32 tiles, blocks of (32, 8). Without Sync: the classic missing barrier.
template <bool Sync>
__global__ void transpose(const float* in, float* out, int rows, int cols) {
  __shared__ float tile[32][33];
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  int x = static_cast<int>(blockIdx.x) * 32 + tx, y = static_cast<int>(blockIdx.y) * 32 + ty;
  for (int j = 0; j < 32; j += 8)
    if (x < cols && y + j < rows) tile[ty + j][tx] = in[(y + j) * cols + x];
  if constexpr (Sync) __syncthreads();
  x = static_cast<int>(blockIdx.y) * 32 + tx;
  y = static_cast<int>(blockIdx.x) * 32 + ty;
  for (int j = 0; j < 32; j += 8)
    if (x < rows && y + j < cols) out[(y + j) * rows + x] = tile[tx][ty + j];
}

// Row sums of a CSR matrix, one half-warp a row: both halves shuffle under their own mask and leave at different times.
__global__ inline void half_warp_row_sums(int rows, const int* offsets, const float* values, float* sums) {
  const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / 16,
            lane = static_cast<int>(threadIdx.x % 16);
  if (row >= rows) return;
  const unsigned mask = 0xffffu << (threadIdx.x & 16);
  float sum = 0;
  for (int k = offsets[row]; k < offsets[row + 1]; k += 16) {
    float v = k + lane < offsets[row + 1] ? values[k + lane] : 0.0f;
    for (unsigned d = 8; d > 0; d /= 2) v += __shfl_down_sync(mask, v, d, 16);
    if (lane == 0) sum += v;
    __syncwarp(mask);
  }
  if (lane == 0) sums[row] = sum;
}

__global__ inline void histogram(int n, int bins, const int* x, int* counts) {
  int* local = dynamic_shared<int>();
  const int t = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (int b = t; b < bins; b += threads) local[b] = 0;
  __syncthreads();
  for (int i = static_cast<int>(blockIdx.x) * threads + t; i < n; i += static_cast<int>(gridDim.x) * threads)
    atomicAdd(&local[x[i]], 1);
  __syncthreads();
  for (int b = t; b < bins; b += threads)
    if (local[b] != 0) atomicAdd(&counts[b], local[b]);
}

__global__ inline void block_sums(const float* x, int n, float* sums) {
  float s = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x))
    s += x[static_cast<int>(blockIdx.x) * n + i];
  s = block_sum(s);
  if (threadIdx.x == 0) sums[blockIdx.x] = s;
}

// One warp, one tile: C = A B, A [16, 16] and B [16, 8] row-major.
__global__ inline void tile_product(const bfloat16* A, const bfloat16* B, float* C) {
  const int l = static_cast<int>(threadIdx.x), g = l / 4, t = l % 4;
  auto a = [&](int i, int k) { return pack(A[i * 16 + k], A[i * 16 + k + 1]); };
  auto b = [&](int k) { return pack(B[k * 8 + g], B[(k + 1) * 8 + g]); };
  const std::uint32_t fa[4] = {a(g, 2 * t), a(g + 8, 2 * t), a(g, 2 * t + 8), a(g + 8, 2 * t + 8)};
  const std::uint32_t fb[2] = {b(2 * t), b(2 * t + 8)};
  float c[4] = {};
  multiply_tile(c, fa, fb);
  for (int i = 0; i < 4; ++i) C[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = c[i];
}

// Planted faults.
__global__ inline void overruns_global(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] = 1; }
__global__ inline void overruns_dynamic_shared(float* out) {
  float* s = dynamic_shared<float>();
  s[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x];
}
__global__ inline void misaligned_vector(float* x) {
  const float four[4] = {1, 2, 3, 4};
  store<4>(x + 1 + 4 * threadIdx.x, four);
}
__global__ inline void divergent_barrier(float* x) {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    x[threadIdx.x] = 1;
    __syncthreads();
  }
}
__global__ inline void missing_lane(float* x) {
  if (threadIdx.x != 3) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

}  // namespace perturbine::emulated_device

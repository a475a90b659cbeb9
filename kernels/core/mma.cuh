// One tensor-core tile: a warp multiplies a 16 x 16 and a 16 x 8 bfloat16 tile and adds into 16 x 8 floats.
//
// Fragment layout of mma.sync m16n8k16 (PTX ISA, "Matrix fragments for mma.m16n8k16"), lane l, group g = l / 4,
// thread-in-group t = l % 4:
//   a[0] = A[g][2t, 2t+1]      a[1] = A[g+8][2t, 2t+1]     a[2] = A[g][2t+8, 2t+9]    a[3] = A[g+8][2t+8, 2t+9]
//   b[0] = B[2t, 2t+1][g]      b[1] = B[2t+8, 2t+9][g]
//   c[0..1] = C[g][2t, 2t+1]   c[2..3] = C[g+8][2t, 2t+1]
#pragma once
#include "kernels/core/device.h"

namespace perturbine::PERTURBINE_DEVICE_NAMESPACE {

/// Two neighbouring bfloat16 in one word, the first in the low half.
__device__ __forceinline__ std::uint32_t pack(bfloat16 low, bfloat16 high) {
  return static_cast<std::uint32_t>(low.bits) | static_cast<std::uint32_t>(high.bits) << 16;
}

#if defined(__CUDACC__)

__device__ __forceinline__ void multiply_tile(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

#else

// The same product by shuffles: lane (g, t) gathers row g (and g + 8) of A from its group and columns 2t, 2t+1 of B.
inline void multiply_tile(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  const int l = emulator::lane(), g = l / 4, t = l % 4;
  auto half = [](std::uint32_t word, int which) {
    bfloat16 v;
    v.bits = static_cast<std::uint16_t>(word >> (16 * which));
    return static_cast<float>(v);
  };
  for (int q = 0; q < 4; ++q) {
    std::uint32_t row[4], column[2][2];
    for (int i = 0; i < 4; ++i) row[i] = __shfl_sync(~0u, a[i], g * 4 + q);
    for (int n = 0; n < 2; ++n)
      for (int i = 0; i < 2; ++i) column[n][i] = __shfl_sync(~0u, b[i], (2 * t + n) * 4 + q);
    for (int n = 0; n < 2; ++n)
      for (int e = 0; e < 2; ++e) {
        c[n] += half(row[0], e) * half(column[n][0], e) + half(row[2], e) * half(column[n][1], e);
        c[2 + n] += half(row[1], e) * half(column[n][0], e) + half(row[3], e) * half(column[n][1], e);
      }
  }
}

#endif

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

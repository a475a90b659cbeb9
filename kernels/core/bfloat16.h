// bfloat16 as a storage type: arithmetic happens in float. The same bits as CUDA's __nv_bfloat16.
#pragma once
#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__)
#define PERTURBINE_HOST_DEVICE __host__ __device__
#else
#define PERTURBINE_HOST_DEVICE
#endif

namespace perturbine {

struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  PERTURBINE_HOST_DEVICE explicit bfloat16(float value) {
    const std::uint32_t word = __builtin_bit_cast(std::uint32_t, value);
    // Selected by masks, not by a branch: loops over this become vector code.
    const std::uint32_t nan = 0u - static_cast<std::uint32_t>((word & 0x7fffffffu) > 0x7f800000u);
    const std::uint32_t rounded = (word + 0x7fffu + (word >> 16 & 1u)) >> 16, quiet = word >> 16 | 0x40u;
    bits = static_cast<std::uint16_t>((rounded & ~nan) | (quiet & nan));
  }
  PERTURBINE_HOST_DEVICE explicit bfloat16(double value) : bfloat16(static_cast<float>(value)) {}
  PERTURBINE_HOST_DEVICE explicit operator float() const {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
  }
  PERTURBINE_HOST_DEVICE explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

/// The type sums and saved statistics have beside storage type T: float, or double in the oracle.
template <class T>
using accumulator_t = std::conditional_t<std::is_same_v<std::remove_const_t<T>, double>, double, float>;

}  // namespace perturbine

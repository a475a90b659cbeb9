// A register of numbers, for native kernels that hold sums in registers or spend their time in transcendental
// functions: 16 numbers with AVX-512, 8 with AVX, else 4. (A vector wider than the registers works too, but g++ 12
// takes it to memory and back for every operation.) Loops over formulas.h become vector code as well, but compilers
// make four comparisons of every bound in it, and a division of sixteen numbers keeps its unit for sixteen cycles; here
// a bound is one instruction and a quotient three, where the processor has AVX-512.
#pragma once
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "kernels/core/formulas.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace perturbine {

namespace lanes {

#if defined(__AVX512F__)
inline constexpr std::size_t count = 16;
#elif defined(__AVX__)
inline constexpr std::size_t count = 8;
#else
inline constexpr std::size_t count = 4;
#endif

}  // namespace lanes

using Lanes [[gnu::vector_size(4 * lanes::count)]] = float;

namespace lanes {

using Integers [[gnu::vector_size(4 * count)]] = std::int32_t;
using Bits [[gnu::vector_size(4 * count)]] = std::uint32_t;
using Half [[gnu::vector_size(2 * count)]] = std::uint16_t;

/// x in every lane.
[[gnu::always_inline]] inline Lanes all(float x) { return x - Lanes{}; }

/// The first n numbers from `p` on, n <= count; zeros behind them.
[[gnu::always_inline]] inline Lanes load(const float* p, std::size_t n = count) {
  Lanes x{};
#if defined(__AVX512F__)
  if (n < count) return reinterpret_cast<Lanes>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p));
#endif
  std::memcpy(&x, p, n == count ? sizeof x : n * sizeof(float));
  return x;
}
[[gnu::always_inline]] inline Lanes load(const bfloat16* p, std::size_t n = count) {
  Half half{};
  std::memcpy(&half, p, n == count ? sizeof half : n * sizeof(bfloat16));
  return reinterpret_cast<Lanes>(__builtin_convertvector(half, Bits) << 16);
}
[[gnu::always_inline]] inline void store(float* p, Lanes x, std::size_t n = count) {
#if defined(__AVX512F__)
  if (n < count) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), reinterpret_cast<__m512>(x));
    return;
  }
#endif
  std::memcpy(p, &x, n == count ? sizeof x : n * sizeof(float));
}
[[gnu::always_inline]] inline void store(bfloat16* p, Lanes x, std::size_t n = count) {
  // As bfloat16 rounds one number.
  const Bits word = reinterpret_cast<Bits>(x);
  const Bits nan = reinterpret_cast<Bits>((word & 0x7fffffffu) > 0x7f800000u);
  const Bits rounded = (word + 0x7fffu + (word >> 16 & 1u)) >> 16, quiet = word >> 16 | 0x40u;
  const Half half = __builtin_convertvector((rounded & ~nan) | (quiet & nan), Half);
  std::memcpy(&p->bits, &half, n == count ? sizeof half : n * sizeof(bfloat16));
}

/// Halves are added, their halves, and so on.
[[gnu::always_inline]] inline float sum(Lanes x) {
  float v[count];
  std::memcpy(v, &x, sizeof x);
  for (std::size_t half = count / 2; half > 0; half /= 2)
    for (std::size_t j = 0; j < half; ++j) v[j] += v[j + half];
  return v[0];
}

[[gnu::always_inline]] inline Lanes fused(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#else
  return a * b + c;
#endif
}

/// x between two bounds; a NaN stays one.
[[gnu::always_inline]] inline Lanes clamped(Lanes x, float least, float most) {
#if defined(__AVX512F__)
  // Of two numbers that do not compare the instructions take the second. With masks of all lanes: g++ 12 warns falsely
  // of the forms without (GCC bug 105593).
  const __m512 raised = _mm512_maskz_max_ps(0xffff, _mm512_set1_ps(least), reinterpret_cast<__m512>(x));
  return reinterpret_cast<Lanes>(_mm512_maskz_min_ps(0xffff, _mm512_set1_ps(most), raised));
#else
  x = x < least ? all(least) : x;
  return x > most ? all(most) : x;
#endif
}

/// x 2^n for whole n.
[[gnu::always_inline]] inline Lanes scaled(Lanes x, Lanes n) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(n)));
#else
  return x * reinterpret_cast<Lanes>((__builtin_convertvector(n, Integers) + 127) << 23);
#endif
}

/// 1 / x to 2e-7 relative.
[[gnu::always_inline]] inline Lanes reciprocal(Lanes x) {
#if defined(__AVX512F__)
  const Lanes guess = reinterpret_cast<Lanes>(_mm512_maskz_rcp14_ps(0xffff, reinterpret_cast<__m512>(x)));
  return fused(guess, fused(-x, guess, all(1)), guess);  // one step of Newton's
#else
  return 1.0f / x;
#endif
}

/// formulas::exp
[[gnu::always_inline]] inline Lanes exp(Lanes x) {
  x = clamped(x, -87.3f, 88.3f);
  const Lanes magic = all(12582912.0f);
  const Lanes n = fused(x, all(1.44269504088896341f), magic) - magic;
  Lanes r = fused(n, all(-0.693359375f), x);
  r = fused(n, all(2.12194440e-4f), r);
  Lanes p = all(1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = fused(p, r, all(c));
  return scaled(fused(p, r * r, r + 1.0f), n);
}

[[gnu::always_inline]] inline Lanes sigmoid(Lanes x) { return reciprocal(1.0f + exp(-x)); }
[[gnu::always_inline]] inline Lanes silu(Lanes x) { return x * sigmoid(x); }
/// d silu(x) / dx
[[gnu::always_inline]] inline Lanes silu_slope(Lanes x) {
  const Lanes s = sigmoid(x);
  return s * fused(x, 1.0f - s, all(1));
}

}  // namespace lanes
}  // namespace perturbine

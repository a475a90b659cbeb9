// A register of numbers, for native kernels that hold sums in registers or spend their time in transcendental
// functions: 16 numbers with AVX-512, 8 with AVX, else 4. (A vector wider than the registers works too, but g++ 12
// takes it to memory and back for every operation.) Loops over formulas.h become vector code as well, but compilers
// make four comparisons of every bound in it, and a division of sixteen numbers keeps its unit for sixteen cycles; here
// a bound is one instruction and a quotient three, where the processor has AVX-512.
#pragma once
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "kernels/core/formulas.h"
#if defined(__AVX__)
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
[[gnu::always_inline]] inline Integers load(const std::int32_t* p, std::size_t n = count) {
  return reinterpret_cast<Integers>(load(reinterpret_cast<const float*>(p), n));
}
[[gnu::always_inline]] inline Bits load(const std::uint32_t* p, std::size_t n = count) {
  return reinterpret_cast<Bits>(load(reinterpret_cast<const float*>(p), n));
}
/// p[index[0]], p[index[1]], ...
[[gnu::always_inline]] inline Lanes gather(const float* p, Integers index) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, reinterpret_cast<__m512i>(index), p, 4));
#else
  Lanes x;
  for (std::size_t k = 0; k < count; ++k) x[k] = p[index[k]];
  return x;
#endif
}
/// p[index[0]] = x[0] and so on, of the first n.
[[gnu::always_inline]] inline void scatter(float* p, Integers index, Lanes x, std::size_t n) {
#if defined(__AVX512F__)
  const auto first = static_cast<__mmask16>((1u << n) - 1);
  _mm512_mask_i32scatter_ps(p, first, reinterpret_cast<__m512i>(index), reinterpret_cast<__m512>(x), 4);
#else
  for (std::size_t k = 0; k < n; ++k) p[index[k]] = x[k];
#endif
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
/// The bits of the bfloat16 nearest to each number, as bfloat16 rounds one.
[[gnu::always_inline]] inline Bits bfloat16_bits(Lanes x) {
  const Bits word = reinterpret_cast<Bits>(x);
  const Bits nan = reinterpret_cast<Bits>((word & 0x7fffffffu) > 0x7f800000u);
  const Bits nearest = (word + 0x7fffu + (word >> 16 & 1u)) >> 16, quiet = word >> 16 | 0x40u;
  return (nearest & ~nan) | (quiet & nan);
}
/// Rounded to bfloat16.
[[gnu::always_inline]] inline Lanes rounded(Lanes x) { return reinterpret_cast<Lanes>(bfloat16_bits(x) << 16); }
[[gnu::always_inline]] inline void store(bfloat16* p, Lanes x, std::size_t n = count) {
  const Half half = __builtin_convertvector(bfloat16_bits(x), Half);
  std::memcpy(&p->bits, &half, n == count ? sizeof half : n * sizeof(bfloat16));
}

/// body(j, count) for `count` numbers from j on of first ... last - 1: whole registers, then the rest.
template <class Body>
[[gnu::always_inline]] inline void for_columns(std::size_t first, std::size_t last, Body&& body) {
  std::size_t j = first;
  for (; j + count <= last; j += count) body(j, std::integral_constant<std::size_t, count>());
  if (j < last) body(j, (last - j) % count);  // by which compilers see that it is less than a register
}

/// Halves are added, their halves, and so on.
[[gnu::always_inline]] inline float sum(Lanes x) {
#if defined(__AVX512F__)
  const auto eight = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX__)
  const Lanes eight = x;
#endif
#if defined(__AVX__)
  const auto four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#else
  const Lanes four = x;
#endif
  const auto two = four + __builtin_shufflevector(four, four, 2, 3, 0, 1);
  return two[0] + two[1];
}

[[gnu::always_inline]] inline float largest(Lanes x) {
  float y = x[0];
  for (std::size_t k = 1; k < count; ++k) y = x[k] > y ? x[k] : y;
  return y;
}

[[gnu::always_inline]] inline Lanes fused(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#else
  return a * b + c;
#endif
}

/// The larger of x and a bound, the smaller of them, x between two of them; a NaN stays one.
[[gnu::always_inline]] inline Lanes at_least(Lanes x, float least) {
#if defined(__AVX512F__)
  // Of two numbers that do not compare the instructions take the second. With masks of all lanes: g++ 12 warns falsely
  // of the forms without (GCC bug 105593).
  return reinterpret_cast<Lanes>(_mm512_maskz_max_ps(0xffff, _mm512_set1_ps(least), reinterpret_cast<__m512>(x)));
#else
  return x < least ? all(least) : x;
#endif
}
[[gnu::always_inline]] inline Lanes at_most(Lanes x, float most) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_maskz_min_ps(0xffff, _mm512_set1_ps(most), reinterpret_cast<__m512>(x)));
#else
  return x > most ? all(most) : x;
#endif
}
[[gnu::always_inline]] inline Lanes clamped(Lanes x, float least, float most) {
  return at_most(at_least(x, least), most);
}

/// x 2^n for whole n; with AVX-512 for every n, of which the whole part counts.
[[gnu::always_inline]] inline Lanes scaled(Lanes x, Lanes n) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(n)));
#else
  return x * reinterpret_cast<Lanes>((__builtin_convertvector(n, Integers) + 127) << 23);
#endif
}

/// a where x has a sign, else b.
[[gnu::always_inline]] inline Lanes where_negative(Lanes x, Lanes a, Lanes b) {
#if defined(__AVX512F__)
  const __mmask16 negative = _mm512_cmplt_epi32_mask(reinterpret_cast<__m512i>(x), _mm512_setzero_si512());
  return reinterpret_cast<Lanes>(
      _mm512_mask_mov_ps(reinterpret_cast<__m512>(b), negative, reinterpret_cast<__m512>(a)));
#elif defined(__AVX__)
  return reinterpret_cast<Lanes>(
      _mm256_blendv_ps(reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(x)));
#else
  return reinterpret_cast<Integers>(x) < 0 ? a : b;
#endif
}
/// x where all bits are set, 0 where none is.
[[gnu::always_inline]] inline Lanes kept(Lanes x, Bits bits) {
  return reinterpret_cast<Lanes>(reinterpret_cast<Bits>(x) & bits);
}
/// All bits in the first n lanes.
[[gnu::always_inline]] inline Bits first(std::size_t n) {
  Integers lane{};
  for (std::size_t k = 0; k < count; ++k) lane[k] = static_cast<std::int32_t>(k);
  return reinterpret_cast<Bits>(lane < static_cast<std::int32_t>(n));
}
/// Stores the lanes of x whose bits are set side by side from `to` on, which has room for a register; how many.
[[gnu::always_inline]] inline std::size_t pack(float* to, Lanes x, Bits bits) {
#if defined(__AVX512F__)
  const __mmask16 set = _mm512_cmplt_epi32_mask(reinterpret_cast<__m512i>(bits), _mm512_setzero_si512());
  store(to, reinterpret_cast<Lanes>(_mm512_maskz_compress_ps(set, reinterpret_cast<__m512>(x))));
  // Not of the mask itself: g++ 12 spills 16 bits of it and counts 32.
  return static_cast<std::size_t>(__builtin_popcount(_cvtmask16_u32(set)));
#elif defined(__AVX__)
  float number[count];
  store(number, x);
  std::size_t n = 0;
  for (auto set = static_cast<unsigned>(_mm256_movemask_ps(reinterpret_cast<__m256>(bits))); set != 0; set &= set - 1)
    to[n++] = number[__builtin_ctz(set)];
  return n;
#else
  std::size_t n = 0;
  for (std::size_t k = 0; k < count; ++k) to[n] = x[k], n += bits[k] & 1u;
  return n;
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

/// exp(x) for x from -87.3 to 88.3.
[[gnu::always_inline]] inline Lanes exp_within_bounds(Lanes x) {
#if defined(__AVX512F__)
  // x = m log 2 + r with m in sixteenths: 2^m takes the whole part of m and the root of 2 that the last four digits of
  // m choose from a table; of r four terms are left (1e-8 relative).
  const __m512 roots = _mm512_setr_ps(1.0f, 1.044273734f, 1.090507746f, 1.138788581f, 1.189207077f, 1.241857767f,
                                      1.296839595f, 1.354255557f, 1.414213538f, 1.476826191f, 1.542210817f,
                                      1.610490322f, 1.681792855f, 1.75625217f, 1.834008098f, 1.915206552f);
  const Lanes magic = all(786432.0f), shifted = fused(x, all(1.44269504088896341f), magic), m = shifted - magic;
  const Lanes root =
      reinterpret_cast<Lanes>(_mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(shifted), roots));
  Lanes r = fused(m, all(-0.693359375f), x);
  r = fused(m, all(2.12194440e-4f), r);
  const Lanes p = fused(fused(r, all(1.66666667e-1f), all(0.5f)), r, all(1));
  return scaled(fused(root * r, p, root), m);
#else
  const Lanes magic = all(12582912.0f);
  const Lanes n = fused(x, all(1.44269504088896341f), magic) - magic;
  Lanes r = fused(n, all(-0.693359375f), x);
  r = fused(n, all(2.12194440e-4f), r);
  Lanes p = all(1.3814467238262296e-3f);
  for (const float c : {8.368780836462975e-3f, 4.166839271783829e-2f, 1.666651964187622e-1f, 4.999999403953552e-1f})
    p = fused(p, r, all(c));
  return scaled(fused(p, r * r, r + 1.0f), n);
#endif
}
/// To a unit in the last place or two, of x >= 0. The instruction takes about twenty cycles for sixteen roots, 14 bits
/// of the inverse root and one step of Newton's four.
[[gnu::always_inline]] inline Lanes square_root(Lanes x) {
#if defined(__AVX512F__)
  x = at_least(x, 1e-37f);  // 0 has no inverse
  const Lanes inverse = reinterpret_cast<Lanes>(_mm512_maskz_rsqrt14_ps(0xffff, reinterpret_cast<__m512>(x))),
              root = x * inverse;
  return fused(0.5f * root, fused(-root, inverse, all(1)), root);
#elif defined(__AVX__)
  return reinterpret_cast<Lanes>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#else
  for (std::size_t k = 0; k < count; ++k) x[k] = __builtin_sqrtf(x[k]);
  return x;
#endif
}

/// formulas::exp, with fewer terms.
[[gnu::always_inline]] inline Lanes exp(Lanes x) { return exp_within_bounds(clamped(x, -87.3f, 88.3f)); }
/// exp(-|x|)
[[gnu::always_inline]] inline Lanes exp_of_minus_absolute(Lanes x) {
  return exp_within_bounds(at_least(reinterpret_cast<Lanes>(reinterpret_cast<Bits>(x) | 0x80000000u), -87.3f));
}

/// formulas::log, for x to 2.5e38; zero and denormal numbers give -87 or less.
[[gnu::always_inline]] inline Lanes log(Lanes x) {
#if defined(__AVX512F__)
  // x = 2^n m, m from 3/4 to 3/2, and m = (1 + r) / c with c from a table by the first four digits of m: log(1 + r)
  // takes six terms. c = 1 on both sides of 1, where the logarithm is small. (Multiplied by 4/3, rounded up, m below 1
  // has an exponent one more, as it should.)
  const __m512 inverse = _mm512_setr_ps(1.0f, 0.9142857194f, 0.8648648858f, 0.8205128312f, 0.7804877758f, 0.7441860437f,
                                        0.7111111283f, 0.6808510423f, 1.306122422f, 1.254902005f, 1.207547188f,
                                        1.163636327f, 1.122807026f, 1.084745765f, 1.049180269f, 1.0f);
  const __m512 part = _mm512_setr_ps(0.0f, 0.08961215615f, 0.1451819837f, 0.1978257298f, 0.2478362024f, 0.2954642177f,
                                     0.3409265578f, 0.3844117224f, -0.2670627534f, -0.2270574868f, -0.1885911822f,
                                     -0.1515498609f, -0.1158318222f, -0.08134564012f, -0.04800916463f, 0.0f);
  const __m512 given = reinterpret_cast<__m512>(x),
               m = _mm512_maskz_getmant_ps(0xffff, given, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_zero),
               n = _mm512_maskz_getexp_ps(0xffff, reinterpret_cast<__m512>(x * 1.33333337f));
  const __m512i digits = _mm512_maskz_srli_epi32(0xffff, _mm512_castps_si512(m), 19);
  const Lanes c = reinterpret_cast<Lanes>(_mm512_maskz_permutexvar_ps(0xffff, digits, inverse)),
              t = reinterpret_cast<Lanes>(_mm512_maskz_permutexvar_ps(0xffff, digits, part));
  const Lanes r = fused(reinterpret_cast<Lanes>(m), c, all(-1));
  Lanes p = all(0.18966343f);
  for (const float a : {-0.2501533f, 0.33334497f, -0.49999997f}) p = fused(p, r, all(a));
  return fused(reinterpret_cast<Lanes>(n), all(0.6931471806f), t) + fused(p, r * r, r);
#else
  const Integers given = reinterpret_cast<Integers>(x), least = Integers{} + 0x00800000;
  const Integers bits = given < least ? least : given, e = (bits - 0x3f3504f3) >> 23;
  const Lanes f = reinterpret_cast<Lanes>(bits - (e << 23)) - 1.0f, z = f * f, n = __builtin_convertvector(e, Lanes);
  Lanes p = all(7.0376836292e-2f);
  for (const float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                        2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = fused(p, f, all(c));
  Lanes y = fused(n, all(-2.12194440e-4f), p * (f * z));
  y = fused(z, all(-0.5f), y);
  return fused(n, all(0.693359375f), f + y);
#endif
}
/// formulas::log1p
[[gnu::always_inline]] inline Lanes log1p(Lanes x) {
  const Lanes u = 1.0f + x;
  return fused(x - (u - 1.0f), reciprocal(u), log(u));
}

[[gnu::always_inline]] inline Lanes sigmoid(Lanes x) { return reciprocal(1.0f + exp(-x)); }
[[gnu::always_inline]] inline Lanes silu(Lanes x) { return x * sigmoid(x); }
/// d silu(x) / dx
[[gnu::always_inline]] inline Lanes silu_slope(Lanes x) {
  const Lanes s = sigmoid(x);
  return s * fused(x, 1.0f - s, all(1));
}

/// formulas::gelu
[[gnu::always_inline]] inline Lanes gelu(Lanes x) {
  return x * sigmoid(1.5957691216f * fused(0.044715f * x, x * x, x));
}
[[gnu::always_inline]] inline Lanes gelu_slope(Lanes x) {
  const Lanes s = sigmoid(1.5957691216f * fused(0.044715f * x, x * x, x));
  return s * fused(x * (1.0f - s), 1.5957691216f * fused(0.134145f * x, x, all(1)), all(1));
}

}  // namespace lanes
}  // namespace perturbine

// Philox4x32-10, stateless: random words are a function of (seed, offset, subsequence), never of a hidden state.
// Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011. The key is the seed; counter words
// 0-1 hold the offset, words 2-3 the subsequence: cuRAND's convention, and its words.
//
// Matrices take subsequence = row << 32 | column / 4 and word column % 4, so that values depend neither on how a batch
// is cut nor on a launch geometry.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/core/formulas.h"

#if defined(__AVX512F__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif

namespace perturbine {

struct PhiloxWords {
  std::uint32_t word[4];
};

namespace detail {
inline constexpr std::uint32_t philox_multiplier_0 = 0xD2511F53u, philox_multiplier_1 = 0xCD9E8D57u;
inline constexpr std::uint32_t philox_weyl_0 = 0x9E3779B9u, philox_weyl_1 = 0xBB67AE85u;
}  // namespace detail

PERTURBINE_HOST_DEVICE inline PhiloxWords philox(std::uint64_t seed, std::uint64_t offset, std::uint64_t subsequence) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  std::uint32_t c0 = static_cast<std::uint32_t>(offset), c1 = static_cast<std::uint32_t>(offset >> 32);
  std::uint32_t c2 = static_cast<std::uint32_t>(subsequence), c3 = static_cast<std::uint32_t>(subsequence >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{detail::philox_multiplier_0} * c0;
    const std::uint64_t p1 = std::uint64_t{detail::philox_multiplier_1} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += detail::philox_weyl_0;
    k1 += detail::philox_weyl_1;
  }
  return {{c0, c1, c2, c3}};
}

PERTURBINE_HOST_DEVICE inline std::uint64_t matrix_subsequence(std::uint64_t row, std::uint64_t column) {
  return row << 32 | column / 4;
}

/// A word as a uniform number in (0, 1]: word * 2^-32 + 2^-33, as cuRAND.
PERTURBINE_HOST_DEVICE inline float uniform(std::uint32_t word) {
  return formulas::fused(static_cast<float>(word), 2.3283064365386963e-10f, 1.1641532182693481e-10f);
}

/// Two standard normal numbers from two words. Source: Box and Muller, Ann. Math. Stat. 29 (1958) 610.
PERTURBINE_HOST_DEVICE inline void box_muller(std::uint32_t a, std::uint32_t b, float& first, float& second) {
  const float radius = __builtin_sqrtf(-2.0f * formulas::portable_log(uniform(a)));
  float sine, cosine;
  formulas::portable_sincos_turns(uniform(b), sine, cosine);
  first = radius * cosine;
  second = radius * sine;
}

/// The four standard normal numbers of one counter.
PERTURBINE_HOST_DEVICE inline void normal4(std::uint64_t seed, std::uint64_t offset, std::uint64_t subsequence,
                                           float out[4]) {
  const PhiloxWords w = philox(seed, offset, subsequence);
  box_muller(w.word[0], w.word[1], out[0], out[1]);
  box_muller(w.word[2], w.word[3], out[2], out[3]);
}

#if !defined(__CUDACC__)
/// Words of 16 successive subsequences, word-major: the form compilers vectorise. words[w][i] = word w of subsequence +
/// i.
inline void philox16(std::uint64_t seed, std::uint64_t offset, std::uint64_t subsequence, std::uint32_t words[4][16]) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  std::uint32_t c0[16], c1[16], c2[16], c3[16];
  for (std::uint32_t i = 0; i < 16; ++i) {
    c0[i] = static_cast<std::uint32_t>(offset);
    c1[i] = static_cast<std::uint32_t>(offset >> 32);
    c2[i] = static_cast<std::uint32_t>(subsequence + i);
    c3[i] = static_cast<std::uint32_t>((subsequence + i) >> 32);
  }
#if defined(__AVX512F__)
  // Both halves of 32 x 32-bit products: even and odd lanes apart, then woven together.
  // The masks of all lanes keep g++ 12 from a false warning in its own header (GCC bug 105593).
  const __mmask16 odd = 0xaaaa;
  const __m512i m0 = _mm512_set1_epi32(static_cast<int>(detail::philox_multiplier_0)),
                m1 = _mm512_set1_epi32(static_cast<int>(detail::philox_multiplier_1));
  __m512i x0 = _mm512_loadu_si512(c0), x1 = _mm512_loadu_si512(c1), x2 = _mm512_loadu_si512(c2),
          x3 = _mm512_loadu_si512(c3);
  for (int round = 0; round < 10; ++round) {
    const __m512i even0 = _mm512_maskz_mul_epu32(0xff, x0, m0),
                  odd0 = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, x0, 32), m0);
    const __m512i even1 = _mm512_maskz_mul_epu32(0xff, x2, m1),
                  odd1 = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, x2, 32), m1);
    const __m512i high0 = _mm512_mask_mov_epi32(_mm512_maskz_srli_epi64(0xff, even0, 32), odd, odd0);
    const __m512i high1 = _mm512_mask_mov_epi32(_mm512_maskz_srli_epi64(0xff, even1, 32), odd, odd1);
    x0 = _mm512_ternarylogic_epi32(high1, x1, _mm512_set1_epi32(static_cast<int>(k0)), 0x96);  // xor of three
    x2 = _mm512_ternarylogic_epi32(high0, x3, _mm512_set1_epi32(static_cast<int>(k1)), 0x96);
    x1 = _mm512_mask_mov_epi32(even1, odd, _mm512_maskz_slli_epi64(0xff, odd1, 32));
    x3 = _mm512_mask_mov_epi32(even0, odd, _mm512_maskz_slli_epi64(0xff, odd0, 32));
    k0 += detail::philox_weyl_0;
    k1 += detail::philox_weyl_1;
  }
  _mm512_storeu_si512(words[0], x0), _mm512_storeu_si512(words[1], x1);
  _mm512_storeu_si512(words[2], x2), _mm512_storeu_si512(words[3], x3);
#else
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int i = 0; i < 16; ++i) {
      const std::uint64_t p0 = std::uint64_t{detail::philox_multiplier_0} * c0[i];
      const std::uint64_t p1 = std::uint64_t{detail::philox_multiplier_1} * c2[i];
      c0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      c2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c1[i] = static_cast<std::uint32_t>(p1);
      c3[i] = static_cast<std::uint32_t>(p0);
    }
    k0 += detail::philox_weyl_0;
    k1 += detail::philox_weyl_1;
  }
  for (int i = 0; i < 16; ++i) {
    words[0][i] = c0[i];
    words[1][i] = c1[i];
    words[2][i] = c2[i];
    words[3][i] = c3[i];
  }
#endif
}

/// 64 standard normal numbers: columns 64 b ... 64 b + 63 of matrix row `row`.
inline void normal64(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, std::uint64_t block, float out[64]) {
  std::uint32_t words[4][16];
  float z[4][16];
  philox16(seed, offset, matrix_subsequence(row, block * 64), words);
#pragma omp simd
  for (int i = 0; i < 16; ++i) {
    box_muller(words[0][i], words[1][i], z[0][i], z[1][i]);
    box_muller(words[2][i], words[3][i], z[2][i], z[3][i]);
  }
#if defined(__AVX512F__)
  // Four by four transposed: pairs of floats, then pairs of pairs.
  const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  const __m512i low_pairs = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  const __m512i high_pairs = _mm512_add_epi64(low_pairs, _mm512_set1_epi64(4));
  const __m512 a = _mm512_loadu_ps(z[0]), b = _mm512_loadu_ps(z[1]), c = _mm512_loadu_ps(z[2]),
               d = _mm512_loadu_ps(z[3]);
  for (int half = 0; half < 2; ++half) {
    const __m512i which = half == 0 ? low : high;
    const __m512d p = _mm512_castps_pd(_mm512_permutex2var_ps(a, which, b)),
                  q = _mm512_castps_pd(_mm512_permutex2var_ps(c, which, d));
    _mm512_storeu_ps(out + 32 * half, _mm512_castpd_ps(_mm512_permutex2var_pd(p, low_pairs, q)));
    _mm512_storeu_ps(out + 32 * half + 16, _mm512_castpd_ps(_mm512_permutex2var_pd(p, high_pairs, q)));
  }
#else
  for (int i = 0; i < 16; ++i) {
    out[4 * i] = z[0][i];
    out[4 * i + 1] = z[1][i];
    out[4 * i + 2] = z[2][i];
    out[4 * i + 3] = z[3][i];
  }
#endif
}

/// Standard normal numbers of one matrix row, any width.
inline void normal_row(std::uint64_t seed, std::uint64_t offset, std::uint64_t row, float* out, std::size_t columns) {
  std::size_t j = 0;
  for (; j + 64 <= columns; j += 64) normal64(seed, offset, row, j / 64, out + j);
  if (j < columns) {
    float rest[64];
    normal64(seed, offset, row, j / 64, rest);
    for (std::size_t i = 0; j + i < columns; ++i) out[j + i] = rest[i];
  }
}
#endif

}  // namespace perturbine

// What the native kernels share: how many rows make one task, and rows as float.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#include <unistd.h>

#include "kernels/core/executors.h"
#include "kernels/core/formulas.h"
#include "kernels/core/operation.h"

namespace perturbine {

/// The vectors this build was compiled for.
inline const char* vector_instructions() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__SSE4_2__)
  return "SSE4.2";
#elif defined(__ARM_NEON)
  return "NEON";
#else
  return "none known";
#endif
}

/// Rows per task: about 16 Ki elements, a function of the shape alone.
inline std::size_t rows_per_task(std::size_t columns) {
  return std::max<std::size_t>(1, 16384 / std::max<std::size_t>(1, columns));
}

/// Calls body(i) for every row, in parallel.
template <class Body>
void for_rows(Cpu& cpu, std::size_t rows, std::size_t columns, Body&& body) {
  cpu.pool.for_ranges(rows, rows_per_task(columns), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) body(i);
  });
}

/// Stores a number in the element's type: a bfloat16 by its bits, for compilers vectorise a loop over those but not
/// over the struct.
inline void put(float& to, float v) { to = v; }
inline void put(bfloat16& to, float v) { to.bits = bfloat16(v).bits; }

/// Elements that are worked on at a time where rows are fetched ahead.
inline constexpr std::size_t fetched_block = 64;
/// Asks for fetched_block elements from `p` on, which may lie past the end of anything. Hardware follows a stream of
/// addresses but starts anew at every page and does not see the next row of four arrays while this one is computed.
template <bool ForWriting = false, class T>
inline void fetch_ahead(const T* p) {
  for (std::size_t line = 0; line < fetched_block * sizeof(T) / 64; ++line)
    __builtin_prefetch(reinterpret_cast<const char*>(p) + 64 * line, ForWriting ? 1 : 0);
}

/// Outputs of operations that move more than this many bytes go past the caches: no line is read before it is written.
/// Half of the last cache, where the system tells its size, for a large one keeps what a store past it would send to
/// memory (bench/studies/film_layer_norm: slower by a third on a processor with 480 MiB).
inline double streaming_bytes() {
  static const double bytes = [] {
    double cache = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    cache = static_cast<double>(sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
    return std::max(24e6, cache / 2);
  }();
  return bytes;
}

/// Writes a finished row past the caches (non-temporal stores where `to` is aligned). Call end_streaming() in the same
/// task after the last row.
inline void stream_row(const float* from, float* to, std::size_t n) {
  std::size_t j = 0;
#if defined(__AVX512F__)
  if (reinterpret_cast<std::uintptr_t>(to) % 64 == 0)
    for (; j + 16 <= n; j += 16) _mm512_stream_ps(to + j, _mm512_loadu_ps(from + j));
#elif defined(__AVX__)
  if (reinterpret_cast<std::uintptr_t>(to) % 32 == 0)
    for (; j + 8 <= n; j += 8) _mm256_stream_ps(to + j, _mm256_loadu_ps(from + j));
#endif
  std::memcpy(to + j, from + j, (n - j) * sizeof(float));
}
inline void end_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace perturbine

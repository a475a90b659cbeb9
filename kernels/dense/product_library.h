// The library behind a product on the CPU: one single-threaded call per tile.
#pragma once
#include "kernels/core/bfloat16.h"
#include "kernels/core/executors.h"

namespace perturbine::blas {

/// Whether the library reads most operands where they lie. oneDNN does on processors without AVX-512, and where their
/// rows are a multiple of 1 KiB apart, which share a few sets of the first cache, it takes up to 2.4 times as long.
bool reads_in_place();

/// c[m, n] (+)= op(a) op(b), all row-major with the given pitches. Float or bfloat16 inputs, float sums.
struct Tile {
  std::size_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false, accumulate = false;
  std::size_t pitch_a = 0, pitch_b = 0, pitch_c = 0;
  bool spread_rows = reads_in_place();  // floats: operands read across such rows are first copied to rows further apart
};
void multiply(const Tile&, const float* a, const float* b, float* c);
void multiply(const Tile&, const bfloat16* a, const bfloat16* b, float* c);
/// Whether bfloat16 products are faster than f32 products of the same rounded numbers. They are with AMX tiles and with
/// AMD's dot products; Intel's VDPBF16PS starts every second cycle (1.34e9 a second measured where fused multiply-adds
/// reach 5.47e9: half of their operations), and other processors and libraries have nothing.
bool bfloat16_pays();
/// What computes products in this build, for reports.
const char* library_name();

}  // namespace perturbine::blas

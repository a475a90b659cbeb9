// bfloat16 numbers as floats, for processors that multiply floats faster (blas::bfloat16_pays).
#pragma once
#include "kernels/core/cpu.h"

namespace perturbine {

/// `from` as floats at `to`, [rows, columns] side by side.
inline MatrixView<const float> expanded(Cpu& cpu, MatrixView<const bfloat16> from, float* to) {
  for_rows(cpu, from.rows, from.columns, [&](std::size_t i) {
    const bfloat16* bits = from.row(i);
    float* row = to + i * from.columns;
#pragma omp simd
    for (std::size_t j = 0; j < from.columns; ++j) row[j] = static_cast<float>(bits[j]);
  });
  return matrix(to, from.rows, from.columns);
}

}  // namespace perturbine

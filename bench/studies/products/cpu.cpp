// Native variants of c = a b^T in f32.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/dense/product.h"

namespace perturbine::studies {
namespace {

using Op = MatrixProduct<float>;

void check_form(const Op& op) {
  require(!op.transpose_a && op.transpose_b && !op.accumulate, "this variant is of a b^T");
}
// bf16 products round their inputs, as the library does.
template <bool Bf16>
float input(float v) {
  return Bf16 ? static_cast<float>(bfloat16(v)) : v;
}

template <bool Bf16>
void dot_products(Cpu& cpu, const Op& op) {
  const std::size_t inner = op.a.columns;
  for_rows(cpu, op.c.rows, op.c.columns * inner, [&](std::size_t i) {
    for (std::size_t j = 0; j < op.c.columns; ++j) {
      const float *a = op.a.row(i), *b = op.b.row(j);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t k = 0; k < inner; ++k) sum += input<Bf16>(a[k]) * input<Bf16>(b[k]);
      op.c(i, j) = sum;
    }
  });
}

template <bool Bf16>
void tiled(Cpu& cpu, const Op& op) {
  constexpr std::size_t lanes = 32, rows = 6;
  const std::size_t inner = op.a.columns, m = op.c.columns, panels = (m + lanes - 1) / lanes;
  float* packed = cpu.workspace.get<float>(panels * inner * lanes);
  cpu.pool.run(panels, [&](std::size_t p) {
    for (std::size_t k = 0; k < inner; ++k)
      for (std::size_t j = 0; j < lanes; ++j)
        packed[(p * inner + k) * lanes + j] = p * lanes + j < m ? input<Bf16>(op.b(p * lanes + j, k)) : 0.0f;
  });
  const std::size_t strips = (op.c.rows + rows - 1) / rows;
  cpu.pool.for_ranges(strips, 4, [&](std::size_t first, std::size_t last) {
    for (std::size_t p = 0; p < panels; ++p)
      for (std::size_t s = first; s < last; ++s) {
        const std::size_t row = s * rows, count = std::min(rows, op.c.rows - row);
        float sum[rows][lanes] = {};
        const float* a[rows];
        for (std::size_t r = 0; r < rows; ++r) a[r] = op.a.row(row + std::min(r, count - 1));
        const float* b = packed + p * inner * lanes;
        for (std::size_t k = 0; k < inner; ++k, b += lanes)
          for (std::size_t r = 0; r < rows; ++r) {
            const float v = input<Bf16>(a[r][k]);
#pragma omp simd
            for (std::size_t j = 0; j < lanes; ++j) sum[r][j] += v * b[j];
          }
        for (std::size_t r = 0; r < count; ++r)
          std::copy_n(sum[r], std::min(lanes, m - p * lanes), op.c.row(row + r) + p * lanes);
      }
  });
}

template <void (*F32)(Cpu&, const Op&), void (*Bf16)(Cpu&, const Op&)>
void by_math(Cpu& cpu, const Op& op) {
  check_form(op);
  (op.math == Math::bf16 ? Bf16 : F32)(cpu, op);
}

}  // namespace

PERTURBINE_VARIANT("products", "dot_products", Cpu, (by_math<dot_products<false>, dot_products<true>>),
                   MatrixProduct<float>)
PERTURBINE_VARIANT("products", "tiled", Cpu, (by_math<tiled<false>, tiled<true>>), MatrixProduct<float>)

}  // namespace perturbine::studies

// Native variants of a sparse matrix times a dense one.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/dense/product.h"
#include "kernels/dense/sparse_product.h"

namespace perturbine::studies {
namespace {

using Op = SparseProduct<float>;

void densify(Cpu& cpu, const Op& op) {
  static std::vector<float> kept;  // as a training step would keep it
  const std::size_t inner = op.a.column_count;
  kept.resize(op.a.rows * inner);
  for_rows(cpu, op.a.rows, inner, [&](std::size_t i) {
    float* row = kept.data() + i * inner;
    std::fill_n(row, inner, 0.0f);
    for (auto k = op.a.row_offsets[i]; k < op.a.row_offsets[i + 1]; ++k)
      row[static_cast<std::size_t>(op.a.columns[static_cast<std::size_t>(k)])] =
          op.a.values[static_cast<std::size_t>(k)];
  });
  execute(cpu, MatrixProduct<float>{{kept.data(), op.a.rows, inner, inner}, op.b, op.c});
}

void row_at_a_time(Cpu& cpu, const Op& op) {
  const std::size_t n = op.c.columns;
  for_rows(cpu, op.a.rows, 64 * n, [&](std::size_t i) {
    float* c = op.c.row(i);
    std::fill_n(c, n, 0.0f);
    for (auto k = op.a.row_offsets[i]; k < op.a.row_offsets[i + 1]; ++k) {
      const float v = op.a.values[static_cast<std::size_t>(k)];
      const float* b = op.b.row(static_cast<std::size_t>(op.a.columns[static_cast<std::size_t>(k)]));
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) c[j] += v * b[j];
    }
  });
}

}  // namespace

PERTURBINE_VARIANT("sparse_first_layer", "densify", Cpu, densify, SparseProduct<float>)
PERTURBINE_VARIANT("sparse_first_layer", "row_at_a_time", Cpu, row_at_a_time, SparseProduct<float>)

}  // namespace perturbine::studies

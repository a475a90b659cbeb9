#include "kernels/statistics/statistics.h"

#include "kernels/core/cpu.h"
#include "kernels/statistics/compare.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

// out[j] = sum over rows of term(i, j) / rows, in double across blocks.
template <class Term>
void column_means(Cpu& cpu, std::size_t rows, std::size_t columns, VectorView<float> out, Term&& term) {
  const std::size_t blocks = (rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(std::max<std::size_t>(1, blocks) * columns);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* sums = partial + b * columns;
    std::fill_n(sums, columns, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(rows, (b + 1) * block_rows); ++i) {
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j) sums[j] += term(i, j);
    }
  });
  for (std::size_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (std::size_t b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b * columns + j]);
    out[j] = static_cast<float>(sum / static_cast<double>(std::max<std::size_t>(1, rows)));
  }
}

void run(Cpu& cpu, const ColumnMoments<float>& op) {
  column_means(cpu, op.x.rows, op.x.columns, op.mean, [&](std::size_t i, std::size_t j) { return op.x(i, j); });
  column_means(cpu, op.x.rows, op.x.columns, op.variance, [&](std::size_t i, std::size_t j) {
    const float d = op.x(i, j) - op.mean[j];
    return d * d;
  });
}

void run(Cpu& cpu, const SortColumns<float>& op) {
  for_rows(cpu, op.x.columns, op.x.rows * 8, [&](std::size_t j) {
    float* y = op.y.row(j);
    for (std::size_t i = 0; i < op.x.rows; ++i) y[i] = op.x(i, j);
    std::sort(y, y + op.x.rows);
  });
}

void run(Cpu& cpu, const CompareSorted<float>& op) {
  for_rows(cpu, op.a.rows, op.a.columns + op.b.columns, [&](std::size_t g) {
    formulas::compare_sorted(op.a.row(g), op.a.columns, op.b.row(g), op.b.columns, op.wasserstein[g], op.crps[g]);
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, ColumnMoments<float>)
PERTURBINE_EXECUTE(Cpu, run, SortColumns<float>)
PERTURBINE_EXECUTE(Cpu, run, CompareSorted<float>)

}  // namespace perturbine

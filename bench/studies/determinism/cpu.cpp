// Native variants of column sums.
#include <atomic>
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/dense/epilogue.h"

namespace perturbine::studies {
namespace {

using Op = BiasActivationBackward<float>;
constexpr std::size_t block_rows = 64;

void prepare(const Op& op) {
  require(op.activation == Activation::none && !op.accumulate, "this variant only sums");
  std::fill_n(op.dbias.data, op.dbias.size, 0.0f);
}
void add_row(const float* row, float* sums, std::size_t n) {
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) sums[j] += row[j];
}

void one_thread(Cpu&, const Op& op) {
  prepare(op);
  for (std::size_t i = 0; i < op.dy.rows; ++i) add_row(op.dy.row(i), op.dbias.data, op.dy.columns);
}

void atomic_elements(Cpu& cpu, const Op& op) {
  prepare(op);
  for_rows(cpu, op.dy.rows, op.dy.columns, [&](std::size_t i) {
    const float* dy = op.dy.row(i);
    for (std::size_t j = 0; j < op.dy.columns; ++j)
      std::atomic_ref<float>(op.dbias[j]).fetch_add(dy[j], std::memory_order_relaxed);
  });
}

void atomic_blocks(Cpu& cpu, const Op& op) {
  prepare(op);
  const std::size_t n = op.dy.columns;
  cpu.pool.run((op.dy.rows + block_rows - 1) / block_rows, [&](std::size_t b) {
    std::vector<float> sums(n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.dy.rows, (b + 1) * block_rows); ++i)
      add_row(op.dy.row(i), sums.data(), n);
    for (std::size_t j = 0; j < n; ++j)
      std::atomic_ref<float>(op.dbias[j]).fetch_add(sums[j], std::memory_order_relaxed);
  });
}

}  // namespace

PERTURBINE_VARIANT("determinism", "one_thread", Cpu, one_thread, BiasActivationBackward<float>)
PERTURBINE_VARIANT("determinism", "atomic_elements", Cpu, atomic_elements, BiasActivationBackward<float>)
PERTURBINE_VARIANT("determinism", "atomic_blocks", Cpu, atomic_blocks, BiasActivationBackward<float>)

}  // namespace perturbine::studies

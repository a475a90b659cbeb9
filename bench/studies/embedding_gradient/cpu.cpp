// Native variants of the gradient of a table of embeddings, and of the sort that makes it repeatable.
#include <atomic>
#include <numeric>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/embedding/embedding.h"

namespace perturbine::studies {
namespace {

using Op = SetEmbeddingBackward<float>;

void scatter(Cpu&, const Op& op) {
  const std::size_t n = op.dtable.columns;
  for (std::size_t e = 0; e < op.dtable.rows; ++e) std::fill_n(op.dtable.row(e), n, 0.0f);
  for (std::size_t k = 0; k < op.sorted.size; ++k) {
    const auto member = static_cast<std::size_t>(op.order[k]);
    const float *dy = op.dy.row(static_cast<std::size_t>(op.member_row[member])), w = op.weight[member];
    float* d = op.dtable.row(static_cast<std::size_t>(op.sorted[k]));
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) d[j] += w * dy[j];
  }
}

void atomics(Cpu& cpu, const Op& op) {
  const std::size_t n = op.dtable.columns;
  for_rows(cpu, op.dtable.rows, n, [&](std::size_t e) { std::fill_n(op.dtable.row(e), n, 0.0f); });
  for_rows(cpu, op.sorted.size, n, [&](std::size_t k) {
    const auto member = static_cast<std::size_t>(op.order[k]);
    const float *dy = op.dy.row(static_cast<std::size_t>(op.member_row[member])), w = op.weight[member];
    float* d = op.dtable.row(static_cast<std::size_t>(op.sorted[k]));
    for (std::size_t j = 0; j < n; ++j) std::atomic_ref<float>(d[j]).fetch_add(w * dy[j], std::memory_order_relaxed);
  });
}

void comparisons(Cpu&, const SortKeys<std::int32_t>& op) {
  std::iota(op.order.data, op.order.data + op.order.size, 0);
  std::stable_sort(op.order.data, op.order.data + op.order.size, [&](std::int32_t a, std::int32_t b) {
    return op.key[static_cast<std::size_t>(a)] < op.key[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < op.key.size; ++i) op.sorted[i] = op.key[static_cast<std::size_t>(op.order[i])];
}

}  // namespace

PERTURBINE_VARIANT("embedding_gradient", "scatter", Cpu, scatter, SetEmbeddingBackward<float>)
PERTURBINE_VARIANT("embedding_gradient", "atomics", Cpu, atomics, SetEmbeddingBackward<float>)
PERTURBINE_VARIANT("embedding_gradient", "comparisons", Cpu, comparisons, SortKeys<std::int32_t>)

}  // namespace perturbine::studies

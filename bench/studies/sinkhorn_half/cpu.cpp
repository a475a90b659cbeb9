// Native variants of half a Sinkhorn iteration over rows.
#include "kernels/core/cpu.h"
#include "bench/studies/variant.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine::studies {
namespace {

using Op = SinkhornHalf<float>;

void check_rows(const Op& op) { require(!op.columns, "this variant sums over rows"); }

__attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize"))) float potential_of(const Op& op,
                                                                                           std::size_t i) {
  const float* c = op.cost_matrix.row(i);
  auto term = [&](std::size_t j) { return op.log_weight[j] + (op.other[j] - c[j]) / op.epsilon; };
  float largest = term(0), sum = 0;
  for (std::size_t j = 1; j < op.cost_matrix.columns; ++j) largest = std::max(largest, term(j));
  for (std::size_t j = 0; j < op.cost_matrix.columns; ++j) sum += formulas::exp(term(j) - largest);
  return -op.damping * op.epsilon * (largest + formulas::log(sum));
}

void element_by_element(Cpu& cpu, const Op& op) {
  check_rows(op);
  for_rows(cpu, op.cost_matrix.rows, op.cost_matrix.columns * 8,
           [&](std::size_t i) { op.potential[i] = potential_of(op, i); });
}

// Sixteen running maxima and sums side by side (Milakov and Gimelshein, arXiv:1805.02867, algorithm 3).
void one_walk(Cpu& cpu, const Op& op) {
  check_rows(op);
  constexpr std::size_t lanes = 16;
  const std::size_t m = op.cost_matrix.columns;
  const float inverse = 1 / op.epsilon;
  for_rows(cpu, op.cost_matrix.rows, m * 8, [&](std::size_t i) {
    const float *c = op.cost_matrix.row(i), *other = op.other.data, *weight = op.log_weight.data;
    float largest[lanes], sum[lanes];
    for (std::size_t k = 0; k < lanes; ++k) largest[k] = -1e30f, sum[k] = 0;
    std::size_t j = 0;
    for (; j + lanes <= m; j += lanes) {
#pragma omp simd
      for (std::size_t k = 0; k < lanes; ++k) {
        const float v = weight[j + k] + (other[j + k] - c[j + k]) * inverse, top = std::max(largest[k], v);
        sum[k] = sum[k] * formulas::exp(largest[k] - top) + formulas::exp(v - top);
        largest[k] = top;
      }
    }
    for (; j < m; ++j) {
      const float v = weight[j] + (other[j] - c[j]) * inverse, top = std::max(largest[0], v);
      sum[0] = sum[0] * formulas::exp(largest[0] - top) + formulas::exp(v - top);
      largest[0] = top;
    }
    float top = largest[0], total = 0;
    for (std::size_t k = 1; k < lanes; ++k) top = std::max(top, largest[k]);
    for (std::size_t k = 0; k < lanes; ++k) total += sum[k] * formulas::exp(largest[k] - top);
    op.potential[i] = -op.damping * op.epsilon * (top + formulas::log(total));
  });
}

}  // namespace

PERTURBINE_VARIANT("sinkhorn_half", "element_by_element", Cpu, element_by_element, SinkhornHalf<float>)
PERTURBINE_VARIANT("sinkhorn_half", "one_walk", Cpu, one_walk, SinkhornHalf<float>)

}  // namespace perturbine::studies

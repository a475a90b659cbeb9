// Native variants of whole Sinkhorn iterations.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine::studies {
namespace {

using Op = Sinkhorn<float>;

__attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize"))) float potential_of(
    const SinkhornHalf<float>& op, std::size_t i) {
  auto term = [&](std::size_t j) {
    return op.log_weight[j] + (op.other[j] - (op.columns ? op.cost_matrix(j, i) : op.cost_matrix(i, j))) / op.epsilon;
  };
  float largest = term(0), sum = 0;
  for (std::size_t j = 1; j < op.other.size; ++j) largest = std::max(largest, term(j));
  for (std::size_t j = 0; j < op.other.size; ++j) sum += formulas::exp(term(j) - largest);
  return -op.damping * op.epsilon * (largest + formulas::log(sum));
}

void element_by_element(Cpu& cpu, const Op& op) {
  std::fill_n(op.g.data, op.g.size, 0.0f);
  for (std::size_t k = 0; k < op.iterations; ++k)
    for (const bool columns : {false, true}) {
      const SinkhornHalf<float> half = op.half(columns);
      for_rows(cpu, half.potential.size, half.other.size * 8,
               [&](std::size_t i) { half.potential[i] = potential_of(half, i); });
    }
}

void halves(Cpu& cpu, const Op& op) {
  std::fill_n(op.g.data, op.g.size, 0.0f);
  for (std::size_t k = 0; k < op.iterations; ++k)
    for (const bool columns : {false, true}) execute(cpu, op.half(columns));
}

// Cuturi, NeurIPS 2013, algorithm 1.
void two_products(Cpu&, const Op& op) {
  require(op.damping == 1, "this variant keeps the marginals");
  const std::size_t n = op.f.size, m = op.g.size;
  std::vector<float> kernel(n * m), u(n), v(m), sum(m);
  for (std::size_t j = 0; j < m; ++j) v[j] = formulas::exp(op.column_log_weight[j]);
  for (std::size_t i = 0; i < n; ++i)
#pragma omp simd
    for (std::size_t j = 0; j < m; ++j) kernel[i * m + j] = formulas::exp(-op.cost_matrix(i, j) / op.epsilon);
  for (std::size_t k = 0; k < op.iterations; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      float s = 0;
#pragma omp simd reduction(+ : s)
      for (std::size_t j = 0; j < m; ++j) s += kernel[i * m + j] * v[j];
      u[i] = formulas::exp(op.row_log_weight[i]) / s;
    }
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (std::size_t i = 0; i < n; ++i)
#pragma omp simd
      for (std::size_t j = 0; j < m; ++j) sum[j] += kernel[i * m + j] * u[i];
    for (std::size_t j = 0; j < m; ++j) v[j] = formulas::exp(op.column_log_weight[j]) / sum[j];
  }
  for (std::size_t i = 0; i < n; ++i) op.f[i] = op.epsilon * (formulas::log(u[i]) - op.row_log_weight[i]);
  for (std::size_t j = 0; j < m; ++j) op.g[j] = op.epsilon * (formulas::log(v[j]) - op.column_log_weight[j]);
}

}  // namespace

PERTURBINE_VARIANT("sinkhorn", "element_by_element", Cpu, element_by_element, Sinkhorn<float>)
PERTURBINE_VARIANT("sinkhorn", "halves", Cpu, halves, Sinkhorn<float>)
PERTURBINE_VARIANT("sinkhorn", "two_products", Cpu, two_products, Sinkhorn<float>)

}  // namespace perturbine::studies

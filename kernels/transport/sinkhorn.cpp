#include "kernels/transport/sinkhorn.h"

#include "kernels/core/philox.h"
#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

constexpr std::size_t tile = PackedPoints::tile;

void run(Cpu& cpu, const PairwiseCost<float>& op) {
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    for (std::size_t t = 0; t < y.tiles(); ++t) {
      float squared[tile];
      y.squared_distances(op.x.row(i), t, squared);
      std::copy_n(squared, std::min(tile, m - t * tile), op.cost_matrix.row(i) + t * tile);
    }
  });
}

void run(Cpu& cpu, const SinkhornHalf<float>& op) {
  const std::size_t n = op.cost_matrix.rows, m = op.cost_matrix.columns;
  const float inverse = 1 / op.epsilon, factor = -op.damping * op.epsilon;
  if (!op.columns) {
    // What does not depend on the row, once.
    float* shift = cpu.workspace.get<float>(m);
    for (std::size_t j = 0; j < m; ++j) shift[j] = op.log_weight[j] + op.other[j] * inverse;
    for_rows(cpu, n, m * 8, [&](std::size_t i) {
      const float* c = op.cost_matrix.row(i);
      float largest = shift[0] - c[0] * inverse;
#pragma omp simd reduction(max : largest)
      for (std::size_t j = 0; j < m; ++j) largest = std::max(largest, shift[j] - c[j] * inverse);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t j = 0; j < m; ++j) sum += formulas::exp(shift[j] - c[j] * inverse - largest);
      op.potential[i] = factor * (largest + formulas::log(sum));
    });
    return;
  }
  // Column sums: 64 columns to a task, rows walked twice.
  float* shift = cpu.workspace.get<float>(n);
  for (std::size_t i = 0; i < n; ++i) shift[i] = op.log_weight[i] + op.other[i] * inverse;
  cpu.pool.run((m + tile - 1) / tile, [&](std::size_t t) {
    const std::size_t first = t * tile, count = std::min(tile, m - first);
    float largest[tile], sum[tile] = {};
    const float* c = op.cost_matrix.row(0) + first;
    for (std::size_t j = 0; j < count; ++j) largest[j] = shift[0] - c[j] * inverse;
    for (std::size_t i = 1; i < n; ++i) {
      c = op.cost_matrix.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < count; ++j) largest[j] = std::max(largest[j], shift[i] - c[j] * inverse);
    }
    for (std::size_t i = 0; i < n; ++i) {
      c = op.cost_matrix.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < count; ++j) sum[j] += formulas::exp(shift[i] - c[j] * inverse - largest[j]);
    }
    for (std::size_t j = 0; j < count; ++j) op.potential[first + j] = factor * (largest[j] + formulas::log(sum[j]));
  });
}

void run(Cpu& cpu, const SamplePlan<float>& op) {
  const std::size_t m = op.cost_matrix.columns;
  const float inverse = 1 / op.epsilon;
  for_rows(cpu, op.partner.size, m * 32, [&](std::size_t r) {
    const float* c = op.cost_matrix.row(static_cast<std::size_t>(op.row[r]));
    float best = 0;
    std::int32_t chosen = -1;
    for (std::size_t j = 0; j < m; j += 4) {
      const PhiloxWords w = philox(op.seed, op.offset[0], matrix_subsequence(r, j));
      for (std::size_t k = 0; k < 4 && j + k < m; ++k) {
        const float exponential = std::max(1e-10f, -formulas::log(uniform(w.word[k])));
        const float value = op.log_weight[j + k] + (op.other[j + k] - c[j + k]) * inverse - formulas::log(exponential);
        if (chosen >= 0 && !(value > best)) continue;
        best = value, chosen = static_cast<std::int32_t>(j + k);
      }
    }
    op.partner[r] = chosen;
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PairwiseCost<float>)
PERTURBINE_EXECUTE(Cpu, run, SinkhornHalf<float>)
PERTURBINE_EXECUTE(Cpu, run, SamplePlan<float>)

}  // namespace perturbine

#include "kernels/similarity/similarity.h"

#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const PairwiseSum<float>& op) {
  constexpr std::size_t tile = PackedPoints::tile;
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    double total = 0;
    for (std::size_t t = 0; t < y.tiles(); ++t) {
      float squared[tile];
      y.squared_distances(op.x.row(i), t, squared);
      float value[tile];
      if (op.kernel == PairKernel::euclidean) {
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j) value[j] = std::sqrt(squared[j]);
      } else {
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j) value[j] = 0;
        for (std::size_t g = 0; g < op.gammas.size; ++g) {
          const float gamma = op.gammas[g];
#pragma omp simd
          for (std::size_t j = 0; j < tile; ++j) value[j] += formulas::exp(-gamma * squared[j]);
        }
        const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, op.gammas.size));
        for (std::size_t j = 0; j < tile; ++j) value[j] *= share;
      }
      float sum = 0;
      for (std::size_t j = 0; j < tile && t * tile + j < m; ++j)
        if (!op.same || t * tile + j != i) sum += value[j];
      total += static_cast<double>(sum);
    }
    op.sum[i] = static_cast<float>(total);
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PairwiseSum<float>)

}  // namespace perturbine

#include "kernels/similarity/similarity.h"

#include <vector>

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t tile = 64;  // columns of pairs at a time: one vector of squared distances

void run(Cpu& cpu, const PairwiseSum<float>& op) {
  const std::size_t width = op.x.columns, m = op.y.rows, tiles = (m + tile - 1) / tile;
  // y with its points side by side, 64 to a tile, so that distances to them are neighbouring lanes.
  float* packed = cpu.workspace.get<float>(tiles * width * tile);
  cpu.pool.run(tiles, [&](std::size_t t) {
    for (std::size_t k = 0; k < width; ++k)
      for (std::size_t j = 0; j < tile; ++j)
        packed[(t * width + k) * tile + j] = t * tile + j < m ? op.y(t * tile + j, k) : 0.0f;
  });
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    double total = 0;
    const float* x = op.x.row(i);
    for (std::size_t t = 0; t < tiles; ++t) {
      float squared[tile] = {};
      const float* block = packed + t * width * tile;
      for (std::size_t k = 0; k < width; ++k) {
        const float xk = x[k];
        const float* yk = block + k * tile;
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j) squared[j] += (xk - yk[j]) * (xk - yk[j]);
      }
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

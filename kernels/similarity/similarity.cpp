#include "kernels/similarity/similarity.h"

#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

constexpr std::size_t tile = PackedPoints::tile, at_once = PackedPoints::rows_at_once;

// Replaces squared distances by the kernel's values.
void apply_kernel(const PairwiseSum<float>& op, float* value) {
  if (op.kernel == PairKernel::euclidean) {
#pragma omp simd
    for (std::size_t j = 0; j < tile; ++j) value[j] = std::sqrt(value[j]);
    return;
  }
  float sum[tile] = {};
  for (std::size_t g = 0; g < op.gammas.size; ++g) {
    const float gamma = op.gammas[g];
#pragma omp simd
    for (std::size_t j = 0; j < tile; ++j) sum[j] += formulas::exp(-gamma * value[j]);
  }
  const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, op.gammas.size));
  for (std::size_t j = 0; j < tile; ++j) value[j] = share * sum[j];
}

void run(Cpu& cpu, const PairwiseSum<float>& op) {
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  cpu.pool.for_ranges(op.x.rows, 4 * at_once, [&](std::size_t begin, std::size_t end) {
    for (std::size_t first = begin; first < end; first += at_once) {
      const float* x[at_once];
      for (std::size_t r = 0; r < at_once; ++r) x[r] = op.x.row(std::min(first + r, end - 1));
      double total[at_once] = {};
      for (std::size_t t = 0; t < y.tiles(); ++t) {
        float value[at_once][tile];
        y.squared_distances<at_once>(x, t, value);
        const std::size_t count = std::min(tile, m - t * tile);
        for (std::size_t r = 0; r < at_once; ++r) {
          apply_kernel(op, value[r]);
          if (op.same && (first + r) / tile == t) value[r][(first + r) % tile] = 0;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (std::size_t j = 0; j < count; ++j) sum += value[r][j];
          total[r] += static_cast<double>(sum);
        }
      }
      for (std::size_t r = 0; r < at_once && first + r < end; ++r) op.sum[first + r] = static_cast<float>(total[r]);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PairwiseSum<float>)

}  // namespace perturbine

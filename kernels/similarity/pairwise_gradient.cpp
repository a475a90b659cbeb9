#include "kernels/similarity/pairwise_gradient.h"

#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

// d[i] = sum over j of (own_i + other_j) k'(p_i, q_j); either weight may be empty.
void pass(Cpu& cpu, const PairwiseSumBackward<float>& op, MatrixView<const float> p, MatrixView<const float> q,
          VectorView<const float> own, VectorView<const float> other, MatrixView<float> d) {
  constexpr std::size_t tile = PackedPoints::tile;
  const std::size_t width = p.columns;
  const PackedPoints packed(cpu, q);
  for_rows(cpu, p.rows, q.rows * 8, [&](std::size_t i) {
    const float* x = p.row(i);
    float* out = d.row(i);
    std::fill_n(out, width, 0.0f);
    for (std::size_t t = 0; t < packed.tiles(); ++t) {
      float squared[tile], weight[tile];
      packed.squared_distances(x, t, squared);
      for (std::size_t j = 0; j < tile; ++j) {
        const std::size_t at = t * tile + j;
        const bool counts = at < q.rows && !(op.same && at == i);
        weight[j] = counts ? (own.size != 0 ? own[i] : 0.0f) + (other.size != 0 ? other[at] : 0.0f) : 0.0f;
      }
      if (op.kernel == PairKernel::euclidean) {
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j)
          weight[j] *= squared[j] > 0 ? 1.0f / std::sqrt(squared[j] > 0 ? squared[j] : 1.0f) : 0.0f;
      } else {
        float slope[tile] = {};
        for (std::size_t g = 0; g < op.gammas.size; ++g) {
          const float gamma = op.gammas[g];
#pragma omp simd
          for (std::size_t j = 0; j < tile; ++j) slope[j] -= 2 * gamma * formulas::exp(-gamma * squared[j]);
        }
        const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, op.gammas.size));
#pragma omp simd
        for (std::size_t j = 0; j < tile; ++j) weight[j] *= share * slope[j];
      }
      for (std::size_t k = 0; k < width; ++k) {
        const float* y = packed.column(t, k);
        const float xk = x[k];
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::size_t j = 0; j < tile; ++j) sum += weight[j] * (xk - y[j]);
        out[k] += sum;
      }
    }
  });
}

void run(Cpu& cpu, const PairwiseSumBackward<float>& op) {
  if (op.dx.data != nullptr) pass(cpu, op, op.x, op.y, op.dsum, op.same ? op.dsum : VectorView<const float>{}, op.dx);
  if (op.dy.data != nullptr) pass(cpu, op, op.y, op.x, {}, op.dsum, op.dy);
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PairwiseSumBackward<float>)

}  // namespace perturbine

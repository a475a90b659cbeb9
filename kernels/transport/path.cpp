#include "kernels/transport/path.h"

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const PathInterpolation<float>& op) {
  for_rows(cpu, op.xt.rows, op.xt.columns, [&](std::size_t r) {
    const auto end = [r](const MatrixView<const float>& cells, const VectorView<const std::int32_t>& row) {
      const std::int32_t i = row[r];
      return i >= 0 && static_cast<std::size_t>(i) < cells.rows ? cells.row(static_cast<std::size_t>(i)) : nullptr;
    };
    const float *a = end(op.source, op.source_row), *b = end(op.target, op.target_row), t = op.time[r];
    float *xt = op.xt.row(r), *velocity = op.velocity.row(r), noise[64] = {};
    for (std::size_t j = 0; j < op.xt.columns; j += 64) {
      const std::size_t count = std::min<std::size_t>(64, op.xt.columns - j);
      if (op.spread != 0) normal64(op.seed, op.offset[0], r, j / 64, noise);
      for (std::size_t k = 0; k < count; ++k) {
        const float u = a != nullptr ? a[j + k] : 0.0f, v = b != nullptr ? b[j + k] : 0.0f;
        xt[j + k] = (1 - t) * u + t * v + op.spread * noise[k];
        velocity[j + k] = v - u;
      }
      if (op.variance.size == 0) continue;
      for (std::size_t k = 0; k < count; ++k)
        velocity[j + k] -=
            formulas::gaussian_path_gain(t, op.variance[j + k], op.covariance[j + k], op.spread) * xt[j + k];
    }
  });
}

void run(Cpu& cpu, const GaussianVelocity<float>& op) {
  const float t = op.time[0];
  for_rows(cpu, op.y.rows, op.y.columns * 4, [&](std::size_t i) {
    const float *F = op.F.row(i), *x = op.x.row(i);
    float* y = op.y.row(i);
#pragma omp simd
    for (std::size_t k = 0; k < op.y.columns; ++k)
      y[k] = op.share * F[k] + formulas::gaussian_path_gain(t, op.variance[k], op.covariance[k], op.spread) * x[k];
  });
}

void run(Cpu& cpu, const SquaredErrorLoss<float>& op) {
  const std::size_t width = op.F.columns;
  for_rows(cpu, op.F.rows, width, [&](std::size_t i) {
    const float *F = op.F.row(i), *target = op.target.row(i),
                scale = (op.weight.size != 0 ? op.weight[i] : 1.0f) / static_cast<float>(width);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t j = 0; j < width; ++j) sum += (F[j] - target[j]) * (F[j] - target[j]);
    op.loss[i] = scale * sum;
    if (op.dF.data == nullptr) return;
    const float slope = 2 * scale * op.dloss[i];
    float* dF = op.dF.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < width; ++j) dF[j] = slope * (F[j] - target[j]);
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, PathInterpolation<float>)
PERTURBINE_EXECUTE(Cpu, run, GaussianVelocity<float>)
PERTURBINE_EXECUTE(Cpu, run, SquaredErrorLoss<float>)

}  // namespace perturbine

#include "kernels/counts/gaussian_latent.h"

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

void run(Cpu& cpu, const Reparameterise<float>& op) {
  const std::size_t n = op.y.columns;
  for_rows(cpu, op.y.rows, n * 4, [&](std::size_t i) {
    const float *mean = op.mean.row(i), *log_variance = op.log_variance.row(i),
                *dz = op.dz.data != nullptr ? op.dz.row(i) : nullptr;
    float *y = op.y.row(i), e[64];
    for (std::size_t j = 0; j < n; j += 64) {
      normal64(op.seed, op.offset[0], i, j / 64, e);
      const std::size_t count = std::min<std::size_t>(64, n - j);
#pragma omp simd
      for (std::size_t k = 0; k < count; ++k) {
        const float spread = e[k] * formulas::exp(0.5f * log_variance[j + k]);
        y[j + k] = dz != nullptr ? 0.5f * dz[j + k] * spread : mean[j + k] + spread;
      }
    }
  });
}

void run(Cpu& cpu, const GaussianDivergence<float>& op) {
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  const bool gradient = op.dmean.data != nullptr;
  float* partial = cpu.workspace.get<float>(blocks * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* total = partial + b * n;
    std::fill_n(total, n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      const float *mean = op.mean.row(i), *log_variance = op.log_variance.row(i), *prior = op.prior_mean.row(i),
                  *prior_log_variance = op.prior_log_variance.data;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t j = 0; j < n; ++j) {
        const float ratio = log_variance[j] - prior_log_variance[j], d = mean[j] - prior[j];
        sum += 0.5f * (formulas::exp(ratio) + d * d * formulas::exp(-prior_log_variance[j]) - 1.0f - ratio);
      }
      op.loss[i] = sum;
      if (!gradient) continue;
      float *dmean = op.dmean.row(i), *dlog_variance = op.dlog_variance.row(i), *dprior = op.dprior_mean.row(i);
      const float scale = op.dloss[i];
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float precision = formulas::exp(-prior_log_variance[j]), d = mean[j] - prior[j],
                    ratio = formulas::exp(log_variance[j] - prior_log_variance[j]);
        dmean[j] = scale * d * precision, dprior[j] = -scale * d * precision;
        dlog_variance[j] = 0.5f * scale * (ratio - 1.0f);
        total[j] += 0.5f * scale * (1.0f - ratio - d * d * precision);
      }
    }
  });
  if (!gradient) return;
  std::fill_n(op.dprior_log_variance.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) op.dprior_log_variance[j] += partial[b * n + j];
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, Reparameterise<float>)
PERTURBINE_EXECUTE(Cpu, run, GaussianDivergence<float>)

}  // namespace perturbine

#include "kernels/counts/counts.h"

#include "kernels/core/cpu.h"
#include "kernels/counts/formulas.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

void run(Cpu& cpu, const LogNormalise<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    float* y = op.y.row(i);
    std::fill_n(y, op.y.columns, 0.0f);
    const float scale = op.target_sum / op.library_size[i];
    for (auto k = static_cast<std::size_t>(op.counts.row_offsets[i]);
         k < static_cast<std::size_t>(op.counts.row_offsets[i + 1]); ++k)
      y[op.counts.columns[k]] = formulas::log1p(scale * op.counts.values[k]);
  });
}

// Every gene of the row as a zero, vectorised, into scratch rows; then the non-zeros put their own values there; then
// the sums. Adding a zero's term and taking it away again would cancel where theta is large.
template <bool Inflated, bool Gradient>
void likelihood_row(const CountLikelihood<float>& op, std::size_t i, float* log_p, float* slope, float* dtheta) {
  const std::size_t n = op.mean.columns;
  const float* mean = op.mean.row(i);
  const float* logit = Inflated ? op.zero_logit.row(i) : nullptr;
  float* dmean = Gradient ? op.dmean.row(i) : nullptr;
  float* dlogit = Gradient && Inflated ? op.dzero_logit.row(i) : nullptr;
  const float scale = Gradient ? -op.dloss[i] : 0.0f;  // of log p, not of the loss
  auto floored = [](float m) { return m < 1e-12f ? 1e-12f : m; };
  const float* theta = op.theta.data;
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) {
    if constexpr (Inflated) {
      const formulas::ZeroInflated z = formulas::zero_inflated_zero(floored(mean[j]), theta[j], logit[j]);
      log_p[j] = z.log_probability;
      if constexpr (Gradient) dmean[j] = scale * z.dmean, slope[j] = z.dtheta, dlogit[j] = scale * z.dlogit;
    } else {
      const formulas::NegativeBinomial z = formulas::negative_binomial_zero(floored(mean[j]), theta[j]);
      log_p[j] = z.log_probability;
      if constexpr (Gradient) dmean[j] = scale * z.dmean, slope[j] = z.dtheta;
    }
  }
  for (auto k = static_cast<std::size_t>(op.counts.row_offsets[i]);
       k < static_cast<std::size_t>(op.counts.row_offsets[i + 1]); ++k) {
    const float x = op.counts.values[k];
    if (x == 0) continue;
    const auto j = static_cast<std::size_t>(op.counts.columns[k]);
    const formulas::NegativeBinomial nb = formulas::negative_binomial(x, floored(mean[j]), theta[j]);
    formulas::ZeroInflated z{nb.log_probability, nb.dmean, nb.dtheta, 0};
    if constexpr (Inflated) z = formulas::zero_inflated_positive(nb, logit[j]);
    log_p[j] = z.log_probability;
    if constexpr (Gradient) dmean[j] = scale * z.dmean, slope[j] = z.dtheta;
    if constexpr (Gradient && Inflated) dlogit[j] = scale * z.dlogit;
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += log_p[j];
  if constexpr (Gradient) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) dtheta[j] += scale * slope[j];
  }
  op.loss[i] = -sum;
}

void run(Cpu& cpu, const CountLikelihood<float>& op) {
  const bool inflated = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(blocks * 3 * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float *dtheta = partial + b * 3 * n, *log_p = dtheta + n, *slope = log_p + n;
    std::fill_n(dtheta, n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      if (inflated)
        gradient ? likelihood_row<true, true>(op, i, log_p, slope, dtheta)
                 : likelihood_row<true, false>(op, i, log_p, slope, dtheta);
      else
        gradient ? likelihood_row<false, true>(op, i, log_p, slope, dtheta)
                 : likelihood_row<false, false>(op, i, log_p, slope, dtheta);
    }
  });
  if (op.dtheta.data == nullptr) return;
  std::fill_n(op.dtheta.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) op.dtheta[j] += partial[b * 3 * n + j];
}

void run(Cpu& cpu, const SampleCounts<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns * 8, [&](std::size_t i) {
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      formulas::ElementRandom random{op.seed, op.offset[0], i, j};
      float rate = op.rate(i, j);
      if (op.theta.data != nullptr && rate > 0) rate *= formulas::unit_gamma(op.theta[j], random);
      op.y(i, j) = formulas::poisson(rate, random);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, LogNormalise<float>)
PERTURBINE_EXECUTE(Cpu, run, CountLikelihood<float>)
PERTURBINE_EXECUTE(Cpu, run, SampleCounts<float>)

}  // namespace perturbine

#include "kernels/counts/value_likelihood.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

// Every gene of the row as a zero, vectorised, then the stored values in their places, then the sums.
template <bool LogNormal, bool Gradient>
void likelihood_row(const ValueLikelihood<float>& op, std::size_t i, float* loss, float* slope, float* total_slope) {
  const std::size_t n = op.mean.columns;
  const float *mean = op.mean.row(i), *logit = LogNormal ? op.zero_logit.row(i) : nullptr,
              *deviation = op.log_deviation.data;
  float *dmean = Gradient ? op.dmean.row(i) : nullptr,
        *dlogit = Gradient && LogNormal ? op.dzero_logit.row(i) : nullptr;
  const float scale = Gradient ? op.dloss[i] : 0.0f;
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) {
    const formulas::ValueTerm t =
        LogNormal ? formulas::log_normal_zero(logit[j]) : formulas::gaussian_value(0, mean[j], deviation[j]);
    loss[j] = t.loss;
    if constexpr (Gradient) dmean[j] = scale * t.dmean, slope[j] = t.dlog_deviation;
    if constexpr (Gradient && LogNormal) dlogit[j] = scale * t.dzero_logit;
  }
  for (auto k = static_cast<std::size_t>(op.values.row_offsets[i]);
       k < static_cast<std::size_t>(op.values.row_offsets[i + 1]); ++k) {
    const float x = op.values.values[k];
    if (x <= 0) continue;
    const auto j = static_cast<std::size_t>(op.values.columns[k]);
    const formulas::ValueTerm t = LogNormal ? formulas::log_normal_positive(x, mean[j], deviation[j], logit[j])
                                            : formulas::gaussian_value(x, mean[j], deviation[j]);
    loss[j] = t.loss;
    if constexpr (Gradient) dmean[j] = scale * t.dmean, slope[j] = t.dlog_deviation;
    if constexpr (Gradient && LogNormal) dlogit[j] = scale * t.dzero_logit;
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += loss[j];
  if constexpr (Gradient) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) total_slope[j] += scale * slope[j];
  }
  op.loss[i] = sum;
}

void run(Cpu& cpu, const ValueLikelihood<float>& op) {
  const bool log_normal = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(blocks * 3 * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float *total = partial + b * 3 * n, *loss = total + n, *slope = loss + n;
    std::fill_n(total, n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      if (log_normal)
        gradient ? likelihood_row<true, true>(op, i, loss, slope, total)
                 : likelihood_row<true, false>(op, i, loss, slope, total);
      else
        gradient ? likelihood_row<false, true>(op, i, loss, slope, total)
                 : likelihood_row<false, false>(op, i, loss, slope, total);
    }
  });
  if (!gradient) return;
  std::fill_n(op.dlog_deviation.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) op.dlog_deviation[j] += partial[b * 3 * n + j];
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, ValueLikelihood<float>)

}  // namespace perturbine

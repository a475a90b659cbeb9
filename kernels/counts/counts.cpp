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

// The non-zeros of a row, packed so that their formulas become vector code; small counts and large ones apart.
struct Packed {
  static constexpr std::size_t lanes = 16;
  float x[lanes], log_factorial[lanes], mean[lanes], theta[lanes], logit[lanes];
  std::size_t column[lanes];
  std::size_t count = 0;
};

template <bool Inflated, bool Gradient, bool Large>
void evaluate(const CountLikelihood<float>& op, std::size_t i, Packed& p, float* log_p, float* slope) {
  if (p.count == 0) return;
  for (std::size_t k = p.count; k < Packed::lanes; ++k)  // idle lanes compute something harmless
    p.x[k] = p.x[0], p.log_factorial[k] = 0, p.mean[k] = p.mean[0], p.theta[k] = p.theta[0], p.logit[k] = 0;
  float probability[Packed::lanes], dmean[Packed::lanes], dtheta[Packed::lanes], dlogit[Packed::lanes];
  if constexpr (Large) {
#pragma omp simd
    for (std::size_t k = 0; k < Packed::lanes; ++k) {
      const auto nb = formulas::negative_binomial_large(p.x[k], p.mean[k], p.theta[k]);
      probability[k] = nb.log_probability, dmean[k] = nb.dmean, dtheta[k] = nb.dtheta;
    }
  } else {
    float inverse_total[Packed::lanes], sum[Packed::lanes] = {}, sum_slope[Packed::lanes] = {}, most = 0;
    for (std::size_t k = 0; k < Packed::lanes; ++k) {
      most = std::max(most, p.x[k]);
      inverse_total[k] = 1.0f / (p.theta[k] + p.mean[k]);
    }
    for (float factor = 0; factor < most; factor += 2) {
#pragma omp simd
      for (std::size_t k = 0; k < Packed::lanes; ++k) {
        formulas::SmallCountSum s{sum[k], sum_slope[k]};
        formulas::add_two_factors(s, factor, p.x[k], p.mean[k], p.theta[k], inverse_total[k]);
        sum[k] = s.log_probability, sum_slope[k] = s.slope;
      }
    }
#pragma omp simd
    for (std::size_t k = 0; k < Packed::lanes; ++k) {
      const auto nb =
          formulas::negative_binomial_small({sum[k], sum_slope[k]}, p.x[k], p.log_factorial[k], p.mean[k], p.theta[k]);
      probability[k] = nb.log_probability, dmean[k] = nb.dmean, dtheta[k] = nb.dtheta;
    }
  }
  if constexpr (Inflated) {
#pragma omp simd
    for (std::size_t k = 0; k < Packed::lanes; ++k) {
      const formulas::ZeroInflated z = formulas::zero_inflated_positive({probability[k], 0, 0}, p.logit[k]);
      probability[k] = z.log_probability, dlogit[k] = z.dlogit;
    }
  }
  const float scale = Gradient ? -op.dloss[i] : 0.0f;
  for (std::size_t k = 0; k < p.count; ++k) {
    const std::size_t j = p.column[k];
    log_p[j] = probability[k];
    if constexpr (Gradient) op.dmean(i, j) = scale * dmean[k], slope[j] = dtheta[k];
    if constexpr (Gradient && Inflated) op.dzero_logit(i, j) = scale * dlogit[k];
  }
  p.count = 0;
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
  Packed small, large;
  for (auto k = static_cast<std::size_t>(op.counts.row_offsets[i]);
       k < static_cast<std::size_t>(op.counts.row_offsets[i + 1]); ++k) {
    const float x = op.counts.values[k];
    if (x == 0) continue;
    const auto j = static_cast<std::size_t>(op.counts.columns[k]);
    Packed& p = x <= 32 ? small : large;
    p.x[p.count] = x, p.mean[p.count] = floored(mean[j]), p.theta[p.count] = theta[j];
    p.log_factorial[p.count] = x <= 32 ? formulas::log_small_factorial(static_cast<int>(x)) : 0.0f;
    p.logit[p.count] = Inflated ? logit[j] : 0.0f;
    p.column[p.count++] = j;
    if (small.count == Packed::lanes) evaluate<Inflated, Gradient, false>(op, i, small, log_p, slope);
    if (large.count == Packed::lanes) evaluate<Inflated, Gradient, true>(op, i, large, log_p, slope);
  }
  evaluate<Inflated, Gradient, false>(op, i, small, log_p, slope);
  evaluate<Inflated, Gradient, true>(op, i, large, log_p, slope);
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

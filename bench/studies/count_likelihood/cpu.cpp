// Native variants of the zero-inflated negative binomial with gradients.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/counts/counts.h"
#include "kernels/counts/formulas.h"

namespace perturbine::studies {
namespace {

using Op = CountLikelihood<float>;
using ZeroInflated = formulas::ZeroInflated<float>;

// d/dz log Gamma(z): recurrence to 8, then the asymptotic series (Abramowitz and Stegun, 6.3.18).
double digamma(double z) {
  double sum = 0;
  for (; z < 8; z += 1) sum -= 1 / z;
  const double r = 1 / (z * z);
  return sum + std::log(z) - .5 / z - r * (1. / 12 - r * (1. / 120 - r * (1. / 252 - r / 240)));
}

// As the papers write it.
ZeroInflated by_gamma(double x, double mean, double theta, double logit) {
  int sign;
  double log_p = lgamma_r(x + theta, &sign) - lgamma_r(theta, &sign) - lgamma_r(x + 1, &sign) -
                 theta * std::log1p(mean / theta) + x * std::log(mean / (mean + theta));
  double dmean = x / mean - (x + theta) / (mean + theta);
  double dtheta = digamma(x + theta) - digamma(theta) - std::log1p(mean / theta) + (mean - x) / (mean + theta);
  const double pi = 1 / (1 + std::exp(-logit)), rest = -std::log1p(std::exp(logit));
  double dlogit = -pi;
  if (x == 0) {
    const double count_part = rest + log_p, total = std::log(pi + std::exp(count_part));
    const double share = std::exp(count_part - total);
    log_p = total, dmean *= share, dtheta *= share, dlogit = 1 - share - pi;
  } else {
    log_p += rest;
  }
  return {static_cast<float>(-log_p), static_cast<float>(-dmean), static_cast<float>(-dtheta),
          static_cast<float>(-dlogit)};
}

ZeroInflated by_products(double x, double mean, double theta, double logit) {
  const auto m = static_cast<float>(mean), t = static_cast<float>(theta), z = static_cast<float>(logit);
  const formulas::NegativeBinomial<float> nb = formulas::negative_binomial(static_cast<float>(x), m, t);
  ZeroInflated r = formulas::zero_inflated_positive(nb, z);
  r.dmean = nb.dmean, r.dtheta = nb.dtheta;
  return r;
}

using Formula = ZeroInflated (*)(double x, double mean, double theta, double logit);

// Zeros of the whole row in closed form first, or each count by the formula.
template <bool ZerosApart, Formula formula>
void rows(Cpu& cpu, const Op& op) {
  require(op.dmean.data != nullptr && op.zero_logit.data != nullptr,
          "this variant is of zero inflation with gradients");
  constexpr std::size_t block_rows = 64;
  const std::size_t n = op.mean.columns, blocks = (op.mean.rows + block_rows - 1) / block_rows;
  std::vector<float> partial(blocks * n, 0.0f);
  cpu.pool.run(blocks, [&](std::size_t b) {
    std::vector<float> loss(n), slope(n), count(n);
    float* dtheta = partial.data() + b * n;
    for (std::size_t i = b * block_rows; i < std::min(op.mean.rows, (b + 1) * block_rows); ++i) {
      const float scale = op.dloss[i];
      auto mean = [&](std::size_t j) { return std::max(op.mean(i, j), 1e-12f); };
      auto put = [&](std::size_t j, const ZeroInflated& z) {
        loss[j] = z.loss, slope[j] = z.dtheta;
        op.dmean(i, j) = scale * z.dmean, op.dzero_logit(i, j) = scale * z.dlogit;
      };
      auto exact = [&](std::size_t j, float x) {
        put(j, formula(static_cast<double>(x), static_cast<double>(mean(j)), static_cast<double>(op.theta[j]),
                       static_cast<double>(op.zero_logit(i, j))));
      };
      const auto first = static_cast<std::size_t>(op.counts.row_offsets[i]),
                 last = static_cast<std::size_t>(op.counts.row_offsets[i + 1]);
      if constexpr (ZerosApart) {
        const float *m = op.mean.row(i), *logit = op.zero_logit.row(i), *theta = op.theta.data;
        float *dm = op.dmean.row(i), *dlogit = op.dzero_logit.row(i), *l = loss.data(), *s = slope.data();
#pragma omp simd
        for (std::size_t j = 0; j < n; ++j) {
          const ZeroInflated z =
              formulas::zero_inflated_zero((m[j] < 1e-12f ? 1e-12f : m[j]) / theta[j], theta[j], logit[j]);
          l[j] = z.loss, s[j] = z.dtheta, dm[j] = scale * z.dmean, dlogit[j] = scale * z.dlogit;
        }
        for (std::size_t k = first; k < last; ++k)
          if (op.counts.values[k] != 0) exact(static_cast<std::size_t>(op.counts.columns[k]), op.counts.values[k]);
      } else {
        std::fill(count.begin(), count.end(), 0.0f);
        for (std::size_t k = first; k < last; ++k)
          count[static_cast<std::size_t>(op.counts.columns[k])] = op.counts.values[k];
        for (std::size_t j = 0; j < n; ++j) exact(j, count[j]);
      }
      float sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += loss[j], dtheta[j] += scale * slope[j];
      op.loss[i] = sum;
    }
  });
  for (std::size_t j = 0; j < n; ++j) {
    op.dtheta[j] = 0;
    for (std::size_t b = 0; b < blocks; ++b) op.dtheta[j] += partial[b * n + j];
  }
}

}  // namespace

PERTURBINE_VARIANT("count_likelihood", "dense_gamma", Cpu, (rows<false, by_gamma>), CountLikelihood<float>)
PERTURBINE_VARIANT("count_likelihood", "sparse_gamma", Cpu, (rows<true, by_gamma>), CountLikelihood<float>)
PERTURBINE_VARIANT("count_likelihood", "sparse_products", Cpu, (rows<true, by_products>), CountLikelihood<float>)

}  // namespace perturbine::studies

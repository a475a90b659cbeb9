#include "kernels/counts/counts.h"

#include "kernels/counts/gaussian_latent.h"
#include "kernels/counts/library_rate.h"
#include "kernels/counts/value_likelihood.h"

#include <cmath>
#include <vector>

#include "tests/reference/philox.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {
namespace {

std::vector<double> dense_row(const CsrView<double>& counts, std::size_t i) {
  std::vector<double> row(counts.column_count, 0.0);
  for (auto k = static_cast<std::size_t>(counts.row_offsets[i]);
       k < static_cast<std::size_t>(counts.row_offsets[i + 1]); ++k)
    row[static_cast<std::size_t>(counts.columns[k])] = counts.values[k];
  return row;
}

// In long double the textbook form with lgamma keeps enough digits for theta to 1e12.
double log_nb(double x, double mean, double theta) {
  const long double X = x, m = mean, t = theta;
  return static_cast<double>(std::lgamma(X + t) - std::lgamma(t) - std::lgamma(X + 1) - t * std::log1p(m / t) +
                             X * (std::log(m) - std::log(t + m)));
}
double digamma(double z) {
  double shift = 0;
  for (; z < 20; z += 1) shift -= 1 / z;
  const double r = 1 / (z * z);
  return shift + std::log(z) - .5 / z - r * (1. / 12 - r * (1. / 120 - r * (1. / 252 - r / 240)));
}
double log_sum(double a, double b) { return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b))); }

}  // namespace

template <>
void execute(const LogNormalise<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i) {
    const auto row = dense_row(op.counts, i);
    for (std::size_t j = 0; j < row.size(); ++j) op.y(i, j) = std::log1p(op.target_sum * row[j] / op.library_size[i]);
  }
}

template <>
void execute(const CountLikelihood<double>& op) {
  const bool gradient = op.dmean.data != nullptr;
  for (std::size_t j = 0; j < op.mean.columns && gradient; ++j) op.dtheta[j] = 0;
  for (std::size_t i = 0; i < op.mean.rows; ++i) {
    const auto row = dense_row(op.counts, i);
    op.loss[i] = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const double x = row[j], m = std::max(op.mean(i, j), 1e-12), t = op.theta[j];
      double lp = log_nb(x, m, t), dm = x / m - (x + t) / (m + t);
      double dt = digamma(x + t) - digamma(t) - std::log1p(m / t) + (m - x) / (m + t), dl = 0;
      if (op.zero_logit.data != nullptr) {
        const double z = op.zero_logit(i, j), log_pi = -log_sum(0, -z), log_rest = -log_sum(0, z),
                     pi = std::exp(log_pi);
        if (x == 0) {
          const double count_part = log_rest + lp;
          lp = log_sum(log_pi, count_part);
          const double share = std::exp(count_part - lp);
          dm *= share, dt *= share, dl = (1 - share) - pi;
        } else {
          lp += log_rest;
          dl = -pi;
        }
      }
      op.loss[i] -= lp;
      if (!gradient) continue;
      op.dmean(i, j) = -op.dloss[i] * dm;
      op.dtheta[j] -= op.dloss[i] * dt;
      if (op.dzero_logit.data != nullptr) op.dzero_logit(i, j) = -op.dloss[i] * dl;
    }
  }
}

namespace {
// The words of one element, as counts.h lays them out: subsequence row << 32 | column, offsets in turn.
struct Stream {
  std::uint64_t seed, offset, row, column;
  std::uint64_t drawn = 0;
  double uniform() {
    // reference::uniform takes four columns per counter; column c of ours is columns 4c ... 4c + 3 there.
    const std::uint64_t n = drawn++;
    return reference::uniform(seed, offset + n / 4, row, 4 * column + n % 4);
  }
  double normal() {
    const double a = uniform(), b = uniform();
    return std::sqrt(-2 * std::log(a)) * std::cos(2 * M_PI * b);
  }
};
}  // namespace

template <>
void execute(const SampleCounts<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      Stream s{op.seed, op.offset[0], i, j};
      double rate = op.rate(i, j);
      if (op.theta.data != nullptr && rate > 0) {  // Marsaglia and Tsang
        double a = op.theta[j], boost = 1;
        if (a < 1) boost = std::pow(s.uniform(), 1 / a), a += 1;
        const double d = a - 1. / 3, c = 1 / std::sqrt(9 * d);
        for (;;) {
          const double x = s.normal(), v = std::pow(1 + c * x, 3);
          if (1 + c * x <= 0) continue;
          if (std::log(s.uniform()) < .5 * x * x + d - d * v + d * std::log(v)) {
            rate *= d * v * boost / op.theta[j];
            break;
          }
        }
      }
      double k = 0;
      if (rate > 0 && rate < 16) {
        const double u = s.uniform();
        for (double p = std::exp(-rate), sum = p; u > sum; sum += p) p *= rate / ++k;
      } else if (rate >= 16) {  // Hormann's PTRS
        const double b = .931 + 2.53 * std::sqrt(rate), a = -.059 + .02483 * b, ia = 1.1239 + 1.1328 / (b - 3.4),
                     vr = .9277 - 3.6224 / (b - 2);
        for (;;) {
          const double u = s.uniform() - .5, v = s.uniform(), us = .5 - std::abs(u);
          k = std::floor((2 * a / us + b) * u + rate + .43);
          if (us >= .07 && v <= vr) break;
          if (k < 0 || (us < .013 && v > us)) continue;
          if (std::log(v * ia / (a / (us * us) + b)) <= k * std::log(rate) - rate - std::lgamma(k + 1)) break;
        }
      }
      op.y(i, j) = k;
    }
}

template <>
void execute(const LibraryRate<double>& op) {
  for (std::size_t i = 0; i < op.rate.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < op.rate.columns; ++j) sum += std::exp(op.logits(i, j));
    for (std::size_t j = 0; j < op.rate.columns; ++j)
      op.rate(i, j) = op.library_size[i] * std::exp(op.softmax ? op.logits(i, j) : std::min(op.logits(i, j), op.most)) /
                      (op.softmax ? sum : 1);
  }
}

template <>
void execute(const LibraryRateBackward<double>& op) {
  for (std::size_t i = 0; i < op.rate.rows; ++i) {
    double shared = 0;
    for (std::size_t j = 0; j < op.rate.columns && op.softmax; ++j)
      shared += op.drate(i, j) * op.rate(i, j) / op.library_size[i];
    for (std::size_t j = 0; j < op.rate.columns; ++j)
      op.dlogits(i, j) = !op.softmax && op.logits(i, j) > op.most ? 0 : op.rate(i, j) * (op.drate(i, j) - shared);
  }
}

template <>
void execute(const ValueLikelihood<double>& op) {
  const bool log_normal = op.zero_logit.data != nullptr, gradient = op.dmean.data != nullptr;
  for (std::size_t j = 0; j < op.mean.columns && gradient; ++j) op.dlog_deviation[j] = 0;
  for (std::size_t i = 0; i < op.mean.rows; ++i) {
    const auto row = dense_row(op.values, i);
    op.loss[i] = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const double deviation = std::exp(op.log_deviation[j]), x = row[j];
      const double pi = log_normal ? 1 / (1 + std::exp(-op.zero_logit(i, j))) : 0;
      const bool normal_part = !log_normal || x > 0;
      const double z = normal_part ? ((log_normal ? std::log(x) : x) - op.mean(i, j)) / deviation : 0;
      if (normal_part) op.loss[i] += .5 * std::log(2 * M_PI) + std::log(deviation) + z * z / 2;
      if (log_normal) op.loss[i] += x > 0 ? std::log(x) - std::log1p(-pi) : -std::log(pi);
      if (!gradient) continue;
      op.dmean(i, j) = normal_part ? -op.dloss[i] * z / deviation : 0;
      if (normal_part) op.dlog_deviation[j] += op.dloss[i] * (1 - z * z);
      if (log_normal) op.dzero_logit(i, j) = op.dloss[i] * (x > 0 ? pi : pi - 1);
    }
  }
}

template <>
void execute(const Reparameterise<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const double spread = std::exp(op.log_variance(i, j) / 2) * normal(op.seed, op.offset[0], i, j);
      op.y(i, j) = op.dz.data != nullptr ? op.dz(i, j) * spread / 2 : op.mean(i, j) + spread;
    }
}

template <>
void execute(const GaussianDivergence<double>& op) {
  const bool gradient = op.dmean.data != nullptr;
  for (std::size_t j = 0; j < op.mean.columns && gradient; ++j) op.dprior_log_variance[j] = 0;
  for (std::size_t i = 0; i < op.mean.rows; ++i) {
    op.loss[i] = 0;
    for (std::size_t j = 0; j < op.mean.columns; ++j) {
      const double v = std::exp(op.log_variance(i, j)), prior = std::exp(op.prior_log_variance[j]),
                   d = op.mean(i, j) - op.prior_mean(i, j);
      op.loss[i] += .5 * ((v + d * d) / prior - 1 + std::log(prior / v));
      if (!gradient) continue;
      op.dmean(i, j) = op.dloss[i] * d / prior, op.dprior_mean(i, j) = -op.dloss[i] * d / prior;
      op.dlog_variance(i, j) = op.dloss[i] * .5 * (v / prior - 1);
      op.dprior_log_variance[j] += op.dloss[i] * .5 * (1 - (v + d * d) / prior);
    }
  }
}

}  // namespace perturbine::reference

#include <algorithm>
#include <cmath>

#include "kernels/transport/ode.h"
#include "kernels/transport/path.h"
#include "kernels/transport/sinkhorn.h"
#include "tests/reference/philox.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {
namespace {

// cov(b - a, xt) / var(xt) for ends of variance v and covariance c, from the covariances of xt = (1 - t) a + t b + s z.
double gaussian_slope(double t, double v, double c, double s) {
  const double with_a = (1 - t) * v + t * c, with_b = (1 - t) * c + t * v;
  return (with_b - with_a) / ((1 - t) * with_a + t * with_b + s * s);
}

}  // namespace

template <>
void execute(const PairwiseCost<double>& op) {
  for (std::size_t i = 0; i < op.x.rows; ++i)
    for (std::size_t j = 0; j < op.y.rows; ++j) {
      op.cost_matrix(i, j) = 0;
      for (std::size_t k = 0; k < op.x.columns; ++k) op.cost_matrix(i, j) += std::pow(op.x(i, k) - op.y(j, k), 2);
    }
}

template <>
void execute(const SinkhornHalf<double>& op) {
  for (std::size_t p = 0; p < op.potential.size; ++p) {
    auto term = [&](std::size_t q) {
      const double c = op.columns ? op.cost_matrix(q, p) : op.cost_matrix(p, q);
      return op.log_weight[q] + (op.other[q] - c) / op.epsilon;
    };
    double largest = term(0), sum = 0;
    for (std::size_t q = 0; q < op.other.size; ++q) largest = std::max(largest, term(q));
    for (std::size_t q = 0; q < op.other.size; ++q) sum += std::exp(term(q) - largest);
    op.potential[p] = -op.damping * op.epsilon * (largest + std::log(sum));
  }
}

template <>
void execute(const Sinkhorn<double>& op) {
  for (std::size_t j = 0; j < op.g.size; ++j) op.g[j] = 0;
  for (std::size_t i = 0; i < op.iterations; ++i) {
    execute(op.half(false));
    execute(op.half(true));
  }
}

template <>
void execute(const SamplePlan<double>& op) {
  for (std::size_t r = 0; r < op.partner.size; ++r) {
    double best = 0;
    op.partner[r] = -1;
    for (std::size_t j = 0; j < op.cost_matrix.columns; ++j) {
      const double u = uniform(op.seed, op.offset[0], r, j);
      const double gumbel = -std::log(std::max(1e-10, -std::log(u)));
      const double value = op.log_weight[j] +
                           (op.other[j] - op.cost_matrix(static_cast<std::size_t>(op.row[r]), j)) / op.epsilon + gumbel;
      if (op.partner[r] < 0 || value > best) best = value, op.partner[r] = static_cast<std::int32_t>(j);
    }
  }
}

template <>
void execute(const PathInterpolation<double>& op) {
  for (std::size_t r = 0; r < op.xt.rows; ++r)
    for (std::size_t j = 0; j < op.xt.columns; ++j) {
      auto end = [&](const MatrixView<const double>& cells, std::int32_t i) {
        return i >= 0 && static_cast<std::size_t>(i) < cells.rows ? cells(static_cast<std::size_t>(i), j) : 0.0;
      };
      const double a = end(op.source, op.source_row[r]), b = end(op.target, op.target_row[r]), t = op.time[r];
      op.xt(r, j) = (1 - t) * a + t * b + op.spread * normal(op.seed, op.offset[0], r, j);
      op.velocity(r, j) = b - a;
      if (op.variance.size != 0)
        op.velocity(r, j) -= gaussian_slope(t, op.variance[j], op.covariance[j], op.spread) * op.xt(r, j);
    }
}

template <>
void execute(const GaussianVelocity<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) =
          op.share * op.F(i, j) + gaussian_slope(op.time[0], op.variance[j], op.covariance[j], op.spread) * op.x(i, j);
}

template <>
void execute(const SquaredErrorLoss<double>& op) {
  const double width = static_cast<double>(op.F.columns);
  for (std::size_t i = 0; i < op.F.rows; ++i) {
    const double weight = op.weight.size != 0 ? op.weight[i] : 1;
    op.loss[i] = 0;
    for (std::size_t j = 0; j < op.F.columns; ++j) {
      const double d = op.F(i, j) - op.target(i, j);
      op.loss[i] += weight * d * d / width;
      if (op.dF.data != nullptr) op.dF(i, j) = 2 * weight * op.dloss[i] * d / width;
    }
  }
}

template <>
void execute(const OdeStage<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      double y = op.x(i, j);
      for (std::size_t s = 0; s < op.coefficient.size; ++s) y += op.coefficient[s] * op.slopes(s * op.y.rows + i, j);
      op.y(i, j) = y;
    }
}

template <>
void execute(const OdeError<double>& op) {
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      double d = 0;
      for (std::size_t s = 0; s < op.coefficient.size; ++s) d += op.coefficient[s] * op.slopes(s * op.x.rows + i, j);
      sum += std::pow(d / (op.absolute + op.relative * std::max(std::abs(op.x(i, j)), std::abs(op.y(i, j)))), 2);
    }
    op.error[i] = std::sqrt(sum / static_cast<double>(op.x.columns));
  }
}

template <>
void execute(const TraceEstimate<double>& op) {
  for (std::size_t i = 0; i < op.trace.size; ++i) {
    op.trace[i] = 0;
    for (std::size_t p = 0; p < op.probes; ++p)
      for (std::size_t k = 0; k < op.product.columns; ++k)
        op.trace[i] += op.scale * op.direction(i * op.probes + p, k) * op.product(i * op.probes + p, k);
  }
}

}  // namespace perturbine::reference

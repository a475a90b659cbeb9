#include "kernels/diffusion/diffusion.h"

#include <cmath>

#include "tests/reference/philox.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const DiffusionNoise<double>& op) {
  for (std::size_t i = 0; i < op.xt.rows; ++i)
    for (std::size_t j = 0; j < op.xt.columns; ++j)
      op.xt(i, j) = op.alpha[i] * op.x0(i, j) + op.sigma[i] * normal(op.seed, op.offset[0], i, j);
}

template <>
void execute(const DiffusionLoss<double>& op) {
  const double width = static_cast<double>(op.F.columns);
  for (std::size_t i = 0; i < op.F.rows; ++i) {
    op.loss[i] = 0;
    for (std::size_t j = 0; j < op.F.columns; ++j) {
      const double e = normal(op.seed, op.offset[0], i, j), a = op.alpha[i], s = op.sigma[i], x0 = op.x0(i, j);
      double target = e;
      if (op.target == Target::v) target = a * e - s * x0;
      if (op.target == Target::score) target = -e / s;
      if (op.target == Target::x0) {
        const double v = op.variance[j], xt = a * x0 + s * e;
        const double skip = a * v / (a * a * v + s * s), out = s * std::sqrt(v) / std::sqrt(a * a * v + s * s);
        target = (x0 - skip * xt) / out;
      }
      const double d = op.F(i, j) - target;
      const double w = op.weight[i] / width * (op.column_weight.data != nullptr ? op.column_weight[j] : 1);
      op.loss[i] += w * d * d;
      if (op.dF.data != nullptr) op.dF(i, j) = op.dloss[i] * 2 * w * d;
    }
  }
}

template <>
void execute(const Denoise<double>& op) {
  for (std::size_t i = 0; i < op.x0.rows; ++i)
    for (std::size_t j = 0; j < op.x0.columns; ++j) {
      const double a = op.alpha[i], s = op.sigma[i], F = op.F(i, j), x = op.xt(i, j);
      switch (op.target) {
        case Target::epsilon:
          op.x0(i, j) = (x - s * F) / a;
          break;
        case Target::v:
          op.x0(i, j) = a * x - s * F;
          break;
        case Target::score:
          op.x0(i, j) = (x + s * s * F) / a;
          break;
        case Target::x0: {
          const double v = op.variance[j], total = a * a * v + s * s;
          op.x0(i, j) = a * v / total * x + s * std::sqrt(v) / std::sqrt(total) * F;
        }
      }
    }
}

template <>
void execute(const ReverseStep<double>& op) {
  const auto step = static_cast<std::size_t>(op.step[0]);
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = op.coefficients(step, 0) * op.x(i, j) + op.coefficients(step, 1) * op.x0(i, j) +
                   (op.previous.data != nullptr ? op.coefficients(step, 2) * op.previous(i, j) : 0) +
                   op.coefficients(step, 3) * normal(op.seed, op.offset[0] + step, i, j);
}

template <>
void execute(const Guidance<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = op.none(i, j) + op.context_scale * (op.context(i, j) - op.none(i, j)) +
                   op.perturbation_scale * (op.both(i, j) - op.context(i, j));
}

}  // namespace perturbine::reference

#include <cmath>

#include "kernels/normalisation/batch_norm.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/normalisation/layer_norm.h"
#include "kernels/residual/gated_residual.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const FilmLayerNorm<double>& op) {
  const double n = static_cast<double>(op.x.columns);
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    const std::size_t f = i * op.scale.rows / op.x.rows;
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < op.x.columns; ++j) mean += op.x(i, j) / n;
    for (std::size_t j = 0; j < op.x.columns; ++j) variance += (op.x(i, j) - mean) * (op.x(i, j) - mean) / n;
    op.mean[i] = mean;
    op.inverse_deviation[i] = 1 / std::sqrt(variance + op.epsilon);
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      const double z = (op.x(i, j) - mean) * op.inverse_deviation[i] * (1 + op.scale(f, j)) + op.shift(f, j);
      op.y(i, j) = op.activate ? z / (1 + std::exp(-z)) : z;
    }
  }
}

template <>
void execute(const FilmLayerNormBackward<double>& op) {
  const double n = static_cast<double>(op.x.columns);
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    const std::size_t f = i * op.scale.rows / op.x.rows;
    double sum = 0, sum_normalised = 0;
    auto normalised = [&](std::size_t j) { return (op.x(i, j) - op.mean[i]) * op.inverse_deviation[i]; };
    auto dz = [&](std::size_t j) {
      if (!op.activate) return op.dy(i, j);
      const double z = normalised(j) * (1 + op.scale(f, j)) + op.shift(f, j), s = 1 / (1 + std::exp(-z));
      return op.dy(i, j) * s * (1 + z * (1 - s));
    };
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      const double d = dz(j) * (1 + op.scale(f, j));
      sum += d / n;
      sum_normalised += d * normalised(j) / n;
      op.dscale(i, j) = dz(j) * normalised(j);
      op.dshift(i, j) = dz(j);
    }
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      const double d = op.inverse_deviation[i] * (dz(j) * (1 + op.scale(f, j)) - sum - normalised(j) * sum_normalised);
      op.dx(i, j) = op.accumulate ? op.dx(i, j) + d : d;
    }
  }
}

template <>
void execute(const LayerNorm<double>& op) {
  const double n = static_cast<double>(op.x.columns);
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < op.x.columns; ++j) mean += op.x(i, j) / n;
    for (std::size_t j = 0; j < op.x.columns; ++j) variance += (op.x(i, j) - mean) * (op.x(i, j) - mean) / n;
    op.mean[i] = mean;
    op.inverse_deviation[i] = 1 / std::sqrt(variance + op.epsilon);
    for (std::size_t j = 0; j < op.x.columns; ++j)
      op.y(i, j) = (op.x(i, j) - mean) * op.inverse_deviation[i] * op.gain[j] + op.bias[j];
  }
}

template <>
void execute(const LayerNormBackward<double>& op) {
  const double n = static_cast<double>(op.x.columns);
  for (std::size_t j = 0; j < op.x.columns; ++j) op.dgain[j] = op.dbias[j] = 0;
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    auto normalised = [&](std::size_t j) { return (op.x(i, j) - op.mean[i]) * op.inverse_deviation[i]; };
    double sum = 0, sum_normalised = 0;
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      sum += op.dy(i, j) * op.gain[j] / n;
      sum_normalised += op.dy(i, j) * op.gain[j] * normalised(j) / n;
      op.dgain[j] += op.dy(i, j) * normalised(j);
      op.dbias[j] += op.dy(i, j);
    }
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      const double d = op.inverse_deviation[i] * (op.dy(i, j) * op.gain[j] - sum - normalised(j) * sum_normalised);
      op.dx(i, j) = op.accumulate ? op.dx(i, j) + d : d;
    }
  }
}

template <>
void execute(const BatchNorm<double>& op) {
  const double n = static_cast<double>(op.x.rows);
  for (std::size_t j = 0; j < op.x.columns; ++j) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < op.x.rows; ++i) mean += op.x(i, j) / n;
    for (std::size_t i = 0; i < op.x.rows; ++i) variance += (op.x(i, j) - mean) * (op.x(i, j) - mean) / n;
    op.mean[j] = mean;
    op.inverse_deviation[j] = 1 / std::sqrt(variance + op.epsilon);
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const double z = (op.x(i, j) - mean) * op.inverse_deviation[j] * op.gain[j] + op.bias[j];
      op.y(i, j) = z > 0 ? z : op.slope * z;
    }
    if (op.running_mean.data == nullptr) continue;
    op.running_mean[j] = (1 - op.momentum) * op.running_mean[j] + op.momentum * mean;
    op.running_variance[j] = (1 - op.momentum) * op.running_variance[j] + op.momentum * variance * n / (n - 1);
  }
}

template <>
void execute(const BatchNormBackward<double>& op) {
  const double n = static_cast<double>(op.x.rows);
  for (std::size_t j = 0; j < op.x.columns; ++j) {
    auto normalised = [&](std::size_t i) { return (op.x(i, j) - op.mean[j]) * op.inverse_deviation[j]; };
    auto dz = [&](std::size_t i) { return op.dy(i, j) * (normalised(i) * op.gain[j] + op.bias[j] > 0 ? 1 : op.slope); };
    op.dgain[j] = op.dbias[j] = 0;
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      op.dgain[j] += dz(i) * normalised(i);
      op.dbias[j] += dz(i);
    }
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const double d =
          op.inverse_deviation[j] * op.gain[j] * (dz(i) - op.dbias[j] / n - normalised(i) * op.dgain[j] / n);
      op.dx(i, j) = op.accumulate ? op.dx(i, j) + d : d;
    }
  }
}

template <>
void execute(const BatchNormInference<double>& op) {
  for (std::size_t i = 0; i < op.x.rows; ++i)
    for (std::size_t j = 0; j < op.x.columns; ++j) {
      const double z = (op.x(i, j) - op.mean[j]) / std::sqrt(op.variance[j] + op.epsilon) * op.gain[j] + op.bias[j];
      op.y(i, j) = z > 0 ? z : op.slope * z;
    }
}

template <>
void execute(const GatedResidual<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) op.y(i, j) = op.residual(i, j) + op.gate(i, j) * op.branch(i, j);
}

template <>
void execute(const GatedResidualBackward<double>& op) {
  for (std::size_t i = 0; i < op.dy.rows; ++i)
    for (std::size_t j = 0; j < op.dy.columns; ++j) {
      op.dbranch(i, j) = op.dy(i, j) * op.gate(i, j);
      op.dgate(i, j) = op.dy(i, j) * op.branch(i, j);
    }
}

}  // namespace perturbine::reference

#include "kernels/embedding/embedding.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/embedding/dose_scale.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const TimeEmbedding<double>& op) {
  const std::size_t half = op.frequency.size;
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t k = 0; k < half; ++k) {
      op.y(i, k) = std::sin(op.time[i] * op.frequency[k]);
      op.y(i, half + k) = std::cos(op.time[i] * op.frequency[k]);
    }
}

template <>
void execute(const TimeEmbeddingBackward<double>& op) {
  const std::size_t half = op.frequency.size;
  for (std::size_t k = 0; k < half; ++k) {
    op.dfrequency[k] = 0;
    for (std::size_t i = 0; i < op.dy.rows; ++i) {
      const double angle = op.time[i] * op.frequency[k];
      op.dfrequency[k] += op.time[i] * (op.dy(i, k) * std::cos(angle) - op.dy(i, half + k) * std::sin(angle));
    }
  }
}

template <>
void execute(const SetEmbedding<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      op.y(i, j) = 0;
      for (auto k = static_cast<std::size_t>(op.row_offsets[i]); k < static_cast<std::size_t>(op.row_offsets[i + 1]);
           ++k)
        if (op.index[k] >= 0 && static_cast<std::size_t>(op.index[k]) < op.table.rows)
          op.y(i, j) += op.weight[k] * op.table(static_cast<std::size_t>(op.index[k]), j);
    }
}

template <>
void execute(const SortKeys<double>& op) {
  // Position of i: how many keys are smaller, plus equal ones before it.
  for (std::size_t i = 0; i < op.key.size; ++i) {
    std::size_t place = 0;
    for (std::size_t j = 0; j < op.key.size; ++j)
      place += op.key[j] < op.key[i] || (op.key[j] == op.key[i] && j < i) ? 1 : 0;
    op.sorted[place] = op.key[i];
    op.order[place] = static_cast<double>(i);
  }
}

template <>
void execute(const SetEmbeddingBackward<double>& op) {
  for (std::size_t e = 0; e < op.dtable.rows; ++e)
    for (std::size_t j = 0; j < op.dtable.columns; ++j) op.dtable(e, j) = 0;
  for (std::size_t p = 0; p < op.sorted.size; ++p) {
    const auto member = static_cast<std::size_t>(op.order[p]);
    for (std::size_t j = 0; j < op.dtable.columns && op.sorted[p] >= 0; ++j)
      op.dtable(static_cast<std::size_t>(op.sorted[p]), j) +=
          op.weight[member] * op.dy(static_cast<std::size_t>(op.member_row[member]), j);
  }
}

namespace {

double softplus(double x) { return std::log1p(std::exp(x)); }
double hill(double dose, double log_slope, double middle) {
  return 1 / (1 + std::exp(-std::exp(log_slope) * (std::log(dose) - middle)));
}
// The response to a dose; parameters as the formula of DoseScale has them.
double response(DoseCurve curve, double dose, const double* p) {
  if (dose <= 0) return 0;
  if (curve == DoseCurve::sigmoid) return hill(dose, p[0], p[1]) / hill(1, p[0], p[1]);
  if (curve == DoseCurve::log_sigmoid) {
    auto sigmoid = [](double u) { return 1 / (1 + std::exp(-u)); };
    return sigmoid(p[0] * std::log1p(dose) + p[1]) - sigmoid(p[1]);
  }
  auto mixture = [&](double d) {
    return softplus(p[0]) * d / (d + .1) + softplus(p[1]) * d / (d + 1) + softplus(p[2]) * d / (d + 10) +
           softplus(p[3]) * d;
  };
  return mixture(dose) / mixture(1);
}

}  // namespace

template <>
void execute(const DoseScale<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = op.x(i, j) * response(op.curve, op.dose[i], op.parameters.row(i));
}

template <>
void execute(const DoseScaleBackward<double>& op) {
  for (std::size_t i = 0; i < op.dx.rows; ++i) {
    double along = 0;
    for (std::size_t j = 0; j < op.dx.columns; ++j) {
      op.dx(i, j) = op.dy(i, j) * response(op.curve, op.dose[i], op.parameters.row(i));
      along += op.dy(i, j) * op.x(i, j);
    }
    for (std::size_t k = 0; k < op.parameters.columns; ++k) {
      // Central differences of the response itself.
      double p[4];
      auto at = [&](double step) {
        std::copy_n(op.parameters.row(i), op.parameters.columns, p);
        p[k] += step;
        return response(op.curve, op.dose[i], p);
      };
      const double h = 1e-3;
      op.dparameters(i, k) = along * (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    }
  }
}

}  // namespace perturbine::reference

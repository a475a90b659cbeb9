#include "kernels/pointwise/pointwise.h"

#include <cmath>

#include "tests/reference/philox.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const Combine<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = op.factor_a * op.a(i, j) + (op.b.data != nullptr ? op.factor_b * op.b(i, j) : 0);
}

template <>
void execute(const Advance<double>& op) {
  for (std::size_t i = 0; i < op.counter.size; ++i) op.counter[i] += 1;
}

template <>
void execute(const GatherRows<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const std::int32_t row = op.index[i],
                         column = op.columns.data != nullptr ? op.columns[j] : static_cast<std::int32_t>(j);
      const bool inside = row >= 0 && static_cast<std::size_t>(row) < op.table.rows && column >= 0 &&
                          static_cast<std::size_t>(column) < op.table.columns;
      op.y(i, j) = inside ? op.table(static_cast<std::size_t>(row), static_cast<std::size_t>(column)) : 0;
    }
}

template <>
void execute(const Dropout<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j)
      op.y(i, j) = uniform(op.seed, op.offset[0] + op.stream, i, j) > op.rate ? op.x(i, j) / (1 - op.rate) : 0;
}

template <>
void execute(const ScaleRows<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) op.y(i, j) = op.x(i, j) * op.factor[i];
}

template <>
void execute(const Silu<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const double x = op.x(i, j), s = 1 / (1 + std::exp(-x));
      op.y(i, j) = op.dy.data != nullptr ? op.dy(i, j) * s * (1 + x * (1 - s)) : x * s;
    }
}

template <>
void execute(const Sigmoid<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const double s = 1 / (1 + std::exp(-op.x(i, j)));
      op.y(i, j) = op.dy.data != nullptr ? op.dy(i, j) * s * (1 - s) : s;
    }
}

// To the nearest number of 8 significant bits, ties to even, for normal numbers: in whole multiples of its last place.
template <>
void execute(const Round<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      int exponent = 0;
      std::frexp(op.x(i, j), &exponent);
      const double last = std::ldexp(1.0, exponent - 8);
      op.y(i, j) = bfloat16(std::nearbyint(op.x(i, j) / last) * last);
    }
}

}  // namespace perturbine::reference

#include <cmath>
#include <vector>

#include "kernels/residual/residual_block.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const ResidualBlock<double>& op) {
  const std::size_t width = op.x.columns;
  const double count = static_cast<double>(width);
  for (std::size_t i = 0; i < op.x.rows; ++i) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < width; ++j) mean += op.x(i, j) / count;
    for (std::size_t j = 0; j < width; ++j) variance += std::pow(op.x(i, j) - mean, 2) / count;
    std::vector<double> n(width), hidden(width);
    for (std::size_t j = 0; j < width; ++j)
      n[j] = (op.x(i, j) - mean) / std::sqrt(variance + op.epsilon) * (1 + op.scale(op.film_row(i), j)) +
             op.shift(op.film_row(i), j);
    for (std::size_t j = 0; j < width; ++j) {
      double z = op.b1[j];
      for (std::size_t k = 0; k < width; ++k) z += op.w1(j, k) * n[k];
      hidden[j] = z / (1 + std::exp(-z));
    }
    for (std::size_t j = 0; j < width; ++j) {
      double z = op.b2[j];
      for (std::size_t k = 0; k < width; ++k) z += op.w2(j, k) * hidden[k];
      op.y(i, j) = op.x(i, j) + z;
    }
  }
}

}  // namespace perturbine::reference

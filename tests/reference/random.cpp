#include "kernels/random/random.h"

#include "tests/reference/philox.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const RandomFill<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const double u = uniform(op.seed, op.offset[0] + op.stream, i, j);
      op.y(i, j) = op.distribution == Distribution::normal    ? normal(op.seed, op.offset[0] + op.stream, i, j)
                   : op.distribution == Distribution::uniform ? u
                                                              : (u <= op.probability ? 1 : 0);
    }
}

template <>
void execute(const RandomWords<double>& op) {
  for (std::size_t i = 0; i < op.y.rows; ++i)
    for (std::size_t j = 0; j < op.y.columns; ++j) op.y(i, j) = philox_word(op.seed, op.offset[0], i, j);
}

}  // namespace perturbine::reference

#include <cmath>

#include "kernels/classification/softmax_cross_entropy.h"
#include "tests/reference/reference.h"

namespace perturbine::reference {

template <>
void execute(const SoftmaxCrossEntropy<double>& op) {
  for (std::size_t i = 0; i < op.logits.rows; ++i) {
    const bool known = op.label[i] >= 0 && static_cast<std::size_t>(op.label[i]) < op.logits.columns;
    double sum = 0;
    for (std::size_t c = 0; c < op.logits.columns; ++c) sum += std::exp(op.logits(i, c));
    op.loss[i] = known ? std::log(sum) - op.logits(i, static_cast<std::size_t>(op.label[i])) : 0;
    if (op.dlogits.data == nullptr) continue;
    for (std::size_t c = 0; c < op.logits.columns; ++c) {
      const double wanted = static_cast<std::int32_t>(c) == op.label[i] ? 1 : 0;
      op.dlogits(i, c) = known ? op.dloss[i] * (std::exp(op.logits(i, c)) / sum - wanted) : 0;
    }
  }
}

}  // namespace perturbine::reference

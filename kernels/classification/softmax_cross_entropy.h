// Softmax cross-entropy over classes.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// loss[i] = log sum over c of exp(logits_ic) - logits_i,label and, with dlogits, its gradient
/// dloss_i (softmax(logits_i) - [c = label]). A label outside the classes (an unknown one is -1) gives 0 and no
/// gradient.
template <class T>
struct SoftmaxCrossEntropy {
  MatrixView<const T> logits;                // [rows, classes]
  VectorView<const std::int32_t> label;      // [rows]
  VectorView<const accumulator_t<T>> dloss;  // [rows], with dlogits
  VectorView<accumulator_t<T>> loss;         // [rows]
  MatrixView<T> dlogits;                     // empty: forward only

  static constexpr std::string_view name = "softmax_cross_entropy";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("logits", logits), visit("label", label), visit("dloss", dloss), visit("loss", loss);
    visit("dlogits", dlogits);
  }
  void check() const {
    require_size(*this, "label", label, logits.rows), require_size(*this, "loss", loss, logits.rows);
    if (dlogits.data == nullptr) return;
    require_shape(*this, "dlogits", dlogits, logits.rows, logits.columns);
    require_size(*this, "dloss", dloss, logits.rows);
  }
  Cost cost() const { return memory_cost(*this, 12.0 * static_cast<double>(logits.rows * logits.columns)); }
};

}  // namespace perturbine

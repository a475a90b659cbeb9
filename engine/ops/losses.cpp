#include "engine/ops/ops.h"

namespace perturbine::ops {
namespace {

struct Record {
  Var F;
  DiffusionTerms terms;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const Tape::Target d = t.gradient_target(F);
    require(!d.accumulate, "diffusion_loss: the prediction has another use");
    t.queue().run(DiffusionLoss<float>{t.value(F), terms.x0, terms.alpha, terms.sigma, terms.weight, terms.variance,
                                       row_weight, terms.offset, loss, d.view, terms.target, terms.seed});
  }
};

}  // namespace

VectorView<float> diffusion_loss(Tape& t, Var F, const DiffusionTerms& terms, VectorView<const float> row_weight) {
  // The loss and its gradient are one pass: it runs in the backward pass, which every training step takes.
  const VectorView<float> loss = t.arena().vector<float>(t.value(F).rows);
  t.push(Record{F, terms, loss, row_weight});
  return loss;
}

}  // namespace perturbine::ops

#include "engine/ops/ops.h"
#include "kernels/transport/path.h"

namespace perturbine::ops {
namespace {

struct DiffusionRecord {
  Var F;
  DiffusionTerms terms;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const Tape::Target d = t.gradient_target(F);
    require(!d.accumulate, "diffusion_loss: the prediction has another use");
    t.queue().run(DiffusionLoss<float>{t.value(F), terms.x0, terms.alpha, terms.sigma, terms.weight, terms.variance,
                                       row_weight, terms.offset, loss, d.view, terms.target, terms.seed,
                                       terms.column_weight});
  }
};

struct SquaredErrorRecord {
  Var F;
  MatrixView<const float> target;
  VectorView<float> loss;
  VectorView<const float> row_weight;
  void backward(Tape& t) const {
    const Tape::Target d = t.gradient_target(F);
    require(!d.accumulate, "squared_error_loss: the prediction has another use");
    t.queue().run(SquaredErrorLoss<float>{t.value(F), target, {}, row_weight, loss, d.view});
  }
};

}  // namespace

VectorView<float> diffusion_loss(Tape& t, Var F, const DiffusionTerms& terms, VectorView<const float> row_weight) {
  // The loss and its gradient are one pass: it runs in the backward pass, which every training step takes.
  const VectorView<float> loss = t.arena().vector<float>(t.value(F).rows);
  t.push(DiffusionRecord{F, terms, loss, row_weight});
  return loss;
}

VectorView<float> squared_error_loss(Tape& t, Var F, MatrixView<const float> target,
                                     VectorView<const float> row_weight) {
  const std::size_t rows = t.value(F).rows;
  const VectorView<float> loss = t.arena().vector<float>(rows);
  t.push(SquaredErrorRecord{F, target, loss, row_weight});
  return loss;
}

}  // namespace perturbine::ops

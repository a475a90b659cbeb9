#include "kernels/classification/softmax_cross_entropy.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const SoftmaxCrossEntropy<float>& op) {
  const std::size_t classes = op.logits.columns;
  for_rows(cpu, op.logits.rows, classes * 4, [&](std::size_t i) {
    const float* x = op.logits.row(i);
    const std::int32_t label = op.label[i];
    const bool known = label >= 0 && static_cast<std::size_t>(label) < classes;
    float largest = x[0], sum = 0;
    for (std::size_t c = 1; c < classes; ++c) largest = std::max(largest, x[c]);
#pragma omp simd reduction(+ : sum)
    for (std::size_t c = 0; c < classes; ++c) sum += formulas::exp(x[c] - largest);
    op.loss[i] = known ? formulas::log(sum) + largest - x[label] : 0.0f;
    if (op.dlogits.data == nullptr) return;
    float* d = op.dlogits.row(i);
    const float slope = known ? op.dloss[i] : 0.0f, share = slope / sum;
#pragma omp simd
    for (std::size_t c = 0; c < classes; ++c) d[c] = share * formulas::exp(x[c] - largest);
    if (known) d[label] -= slope;
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, SoftmaxCrossEntropy<float>)

}  // namespace perturbine

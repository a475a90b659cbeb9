// One warp per row: classes are few.
#include "kernels/classification/softmax_cross_entropy.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned warps = 4;

__global__ void __launch_bounds__(warps * 32) softmax_cross_entropy(SoftmaxCrossEntropy<float> op) {
  const std::size_t i = blockIdx.x * warps + threadIdx.x / 32, lane = threadIdx.x % 32, classes = op.logits.columns;
  if (i >= op.logits.rows) return;  // a whole warp leaves
  const float* x = op.logits.row(i);
  const std::int32_t label = op.label[i];
  const bool known = label >= 0 && static_cast<std::size_t>(label) < classes;
  float largest = x[0], sum = 0;
  for (std::size_t c = lane; c < classes; c += 32) largest = x[c] > largest ? x[c] : largest;
  largest = warp_max(largest);
  for (std::size_t c = lane; c < classes; c += 32) sum += formulas::exp(x[c] - largest);
  sum = warp_sum(sum);
  if (lane == 0) op.loss[i] = known ? formulas::log(sum) + largest - x[label] : 0.0f;
  if (op.dlogits.data == nullptr) return;
  const float slope = known ? op.dloss[i] : 0.0f;
  for (std::size_t c = lane; c < classes; c += 32)
    op.dlogits(i, c) =
        slope * (formulas::exp(x[c] - largest) / sum - (static_cast<std::int32_t>(c) == label ? 1.0f : 0.0f));
}

void enqueue(DeviceExecutor& executor, const SoftmaxCrossEntropy<float>& op) {
  launch(softmax_cross_entropy, dim3(blocks_for(op.logits.rows, warps)), dim3(warps * 32), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SoftmaxCrossEntropy<float>)

}  // namespace perturbine

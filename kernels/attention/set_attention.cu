// One warp per row and head; lanes share the columns, scores live in dynamic shared memory.
#include "kernels/attention/set_attention.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

template <class T>
__device__ __forceinline__ float dot(const T* a, const T* b, std::size_t n) {
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < n; j += 32) sum += static_cast<float>(a[j]) * static_cast<float>(b[j]);
  return warp_sum(sum);
}

template <class T>
__global__ void __launch_bounds__(32) set_attention(SetAttention<T> op) {
  float* score = dynamic_shared<float>();
  const std::size_t i = blockIdx.x, h = blockIdx.y, set = op.set_size(), width = op.query.columns / op.heads;
  const auto length = static_cast<std::size_t>(op.length[i]);
  const float scale = 1.0f / sqrtf(static_cast<float>(width));
  float largest = -1e30f, total = 0;
  for (std::size_t m = 0; m < length; ++m) {
    const float s = scale * dot(op.query.row(i) + h * width, op.keys.row(i * set + m) + h * width, width);
    if (threadIdx.x == 0) score[m] = s;
    largest = s > largest ? s : largest;
  }
  __syncwarp();
  for (std::size_t m = threadIdx.x; m < length; m += 32) total += formulas::exp(score[m] - largest);
  total = warp_sum(total);
  for (std::size_t m = threadIdx.x; m < set; m += 32) {
    const float w = m < length ? formulas::exp(score[m] - largest) / total : 0.0f;
    op.weights(i, h * set + m) = w;
    score[m] = w;
  }
  __syncwarp();
  for (std::size_t j = threadIdx.x; j < width; j += 32) {
    float sum = 0;
    for (std::size_t m = 0; m < length; ++m)
      sum += score[m] * static_cast<float>(op.values(i * set + m, h * width + j));
    op.y(i, h * width + j) = static_cast<T>(sum);
  }
}

template <class T>
__global__ void __launch_bounds__(32) set_attention_backward(SetAttentionBackward<T> op) {
  float* slope = dynamic_shared<float>();
  const std::size_t i = blockIdx.x, h = blockIdx.y, set = op.set_size(), width = op.query.columns / op.heads;
  const float scale = 1.0f / sqrtf(static_cast<float>(width));
  float mean = 0;
  for (std::size_t m = 0; m < set; ++m) {
    const float s = dot(op.dy.row(i) + h * width, op.values.row(i * set + m) + h * width, width);
    if (threadIdx.x == 0) slope[m] = s;
    mean += op.weights(i, h * set + m) * s;
  }
  __syncwarp();
  for (std::size_t j = threadIdx.x; j < width; j += 32) {
    const std::size_t column = h * width + j;
    float dquery = 0;
    for (std::size_t m = 0; m < set; ++m) {
      const float w = op.weights(i, h * set + m), d = scale * w * (slope[m] - mean);
      dquery += d * static_cast<float>(op.keys(i * set + m, column));
      op.dkeys(i * set + m, column) = static_cast<T>(d * static_cast<float>(op.query(i, column)));
      op.dvalues(i * set + m, column) = static_cast<T>(w * static_cast<float>(op.dy(i, column)));
    }
    op.dquery(i, column) = static_cast<T>(dquery);
  }
}

template <class T>
void enqueue(DeviceExecutor& executor, const SetAttention<T>& op) {
  launch(set_attention<T>, dim3(static_cast<unsigned>(op.y.rows), static_cast<unsigned>(op.heads)), dim3(32),
         op.set_size() * sizeof(float), executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const SetAttentionBackward<T>& op) {
  launch(set_attention_backward<T>, dim3(static_cast<unsigned>(op.dy.rows), static_cast<unsigned>(op.heads)), dim3(32),
         op.set_size() * sizeof(float), executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetAttention<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetAttention<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetAttentionBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetAttentionBackward<bfloat16>)

}  // namespace perturbine

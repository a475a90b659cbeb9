#include "kernels/embedding/embedding.h"

#include "kernels/core/device.h"
#include "kernels/embedding/angle.h"

namespace perturbine {
namespace {

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) time_embedding(TimeEmbedding<float> op) {
  const std::size_t half = op.frequency.size;
  float* y = op.y.row(blockIdx.x);
  for (std::size_t k = threadIdx.x; k < half; k += threads)
    formulas::sincos_product(op.time[blockIdx.x], op.frequency[k], y[k], y[half + k]);
}

// One thread per frequency walks the rows in order.
__global__ void __launch_bounds__(threads) time_embedding_backward(TimeEmbeddingBackward<float> op) {
  const std::size_t k = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x, half = op.frequency.size;
  if (k >= half) return;
  float sum = 0;
  for (std::size_t i = 0; i < op.dy.rows; ++i) {
    float s, c;
    formulas::sincos_product(op.time[i], op.frequency[k], s, c);
    sum += op.time[i] * (op.dy(i, k) * c - op.dy(i, half + k) * s);
  }
  op.dfrequency[k] = sum;
}

template <class T>
__global__ void __launch_bounds__(threads) set_embedding(SetEmbedding<T> op) {
  const std::int32_t begin = op.row_offsets[blockIdx.x], end = op.row_offsets[blockIdx.x + 1];
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) {
    float sum = 0;
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      const std::int32_t e = op.index[k];
      if (e >= 0 && static_cast<std::size_t>(e) < op.table.rows)
        sum += op.weight[k] * static_cast<float>(op.table(static_cast<std::size_t>(e), j));
    }
    op.y(blockIdx.x, j) = static_cast<T>(sum);
  }
}

// First position in `sorted` that is not below e.
__device__ __forceinline__ std::size_t lower_bound(VectorView<const std::int32_t> sorted, std::int32_t e) {
  std::size_t low = 0, high = sorted.size;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (sorted[middle] < e)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// One block per table row.
template <class T>
__global__ void __launch_bounds__(threads) set_embedding_backward(SetEmbeddingBackward<T> op) {
  const auto entry = static_cast<std::int32_t>(blockIdx.x);
  const std::size_t begin = lower_bound(op.sorted, entry), end = lower_bound(op.sorted, entry + 1);
  for (std::size_t j = threadIdx.x; j < op.dtable.columns; j += threads) {
    float sum = 0;
    for (std::size_t p = begin; p < end; ++p) {
      const auto member = static_cast<std::size_t>(op.order[p]);
      sum += op.weight[member] * static_cast<float>(op.dy(static_cast<std::size_t>(op.member_row[member]), j));
    }
    op.dtable(blockIdx.x, j) = static_cast<T>(sum);
  }
}

void enqueue(DeviceExecutor& executor, const TimeEmbedding<float>& op) {
  launch(time_embedding, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const TimeEmbeddingBackward<float>& op) {
  launch(time_embedding_backward, dim3(blocks_for(op.frequency.size, threads)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const SetEmbedding<T>& op) {
  launch(set_embedding<T>, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const SetEmbeddingBackward<T>& op) {
  launch(set_embedding_backward<T>, dim3(static_cast<unsigned>(op.dtable.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, TimeEmbedding<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, TimeEmbeddingBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetEmbedding<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetEmbedding<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetEmbeddingBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, SetEmbeddingBackward<bfloat16>)

}  // namespace perturbine

// One block per row; 16-byte accesses where every row pointer is aligned.
#include "kernels/pointwise/pointwise.h"

#include "kernels/core/formulas.h"
#include "kernels/core/philox.h"
#include "kernels/core/vector.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

template <class T, class Body>
__device__ __forceinline__ void each(std::size_t columns, bool aligned, Body&& body) {
  for_columns<T>(static_cast<int>(columns), static_cast<int>(threadIdx.x), static_cast<int>(threads), aligned, body);
}

template <class T>
__global__ void __launch_bounds__(threads) combine(Combine<T> op) {
  const T *a = op.a.row(blockIdx.x), *b = op.b.data != nullptr ? op.b.row(blockIdx.x) : nullptr;
  T* y = op.y.row(blockIdx.x);
  each<T>(op.y.columns, is_vector_aligned(a) && is_vector_aligned(b) && is_vector_aligned(y), [&](int j, auto count) {
    float u[count()], v[count()] = {};
    load<count()>(a + j, u);
    if (b != nullptr) load<count()>(b + j, v);
    for (int i = 0; i < count(); ++i) u[i] = op.factor_a * u[i] + op.factor_b * v[i];
    store<count()>(y + j, u);
  });
}

template <class T>
__global__ void __launch_bounds__(threads) gather_rows(GatherRows<T> op) {
  const std::int32_t from = op.index[blockIdx.x];
  const bool inside = from >= 0 && static_cast<std::size_t>(from) < op.table.rows;
  const T* x = op.table.row(inside ? static_cast<std::size_t>(from) : 0);
  T* y = op.y.row(blockIdx.x);
  if (op.columns.data != nullptr) {
    for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) {
      const std::int32_t column = op.columns[j];
      const bool there = inside && column >= 0 && static_cast<std::size_t>(column) < op.table.columns;
      y[j] = there ? x[column] : T{};
    }
    return;
  }
  each<T>(op.y.columns, is_vector_aligned(x) && is_vector_aligned(y), [&](int j, auto count) {
    float v[count()] = {};
    if (inside) load<count()>(x + j, v);
    store<count()>(y + j, v);
  });
}

template <class T>
__global__ void __launch_bounds__(threads) dropout(Dropout<T> op) {
  const T* x = op.x.row(blockIdx.x);
  T* y = op.y.row(blockIdx.x);
  const std::uint64_t offset = op.offset[0] + op.stream;
  const float scale = 1.0f / (1.0f - op.rate);
  const int columns = static_cast<int>(op.y.columns);
  for (int j = static_cast<int>(threadIdx.x) * 4; j < columns; j += static_cast<int>(threads) * 4) {
    const PhiloxWords w = philox(op.seed, offset, matrix_subsequence(blockIdx.x, static_cast<std::uint64_t>(j)));
    for (int k = 0; k < 4 && j + k < columns; ++k)
      y[j + k] = static_cast<T>(uniform(w.word[k]) > op.rate ? static_cast<float>(x[j + k]) * scale : 0.0f);
  }
}

template <class T>
__global__ void __launch_bounds__(threads) scale_rows(ScaleRows<T> op) {
  const T* x = op.x.row(blockIdx.x);
  T* y = op.y.row(blockIdx.x);
  const float factor = op.factor[blockIdx.x];
  each<T>(op.y.columns, is_vector_aligned(x) && is_vector_aligned(y), [&](int j, auto count) {
    float v[count()];
    load<count()>(x + j, v);
    for (int i = 0; i < count(); ++i) v[i] *= factor;
    store<count()>(y + j, v);
  });
}

template <class T>
__global__ void __launch_bounds__(threads) silu(Silu<T> op) {
  const T *x = op.x.row(blockIdx.x), *dy = op.dy.data != nullptr ? op.dy.row(blockIdx.x) : nullptr;
  T* y = op.y.row(blockIdx.x);
  each<T>(op.y.columns, is_vector_aligned(x) && is_vector_aligned(dy) && is_vector_aligned(y), [&](int j, auto count) {
    float v[count()], g[count()];
    load<count()>(x + j, v);
    if (dy != nullptr) load<count()>(dy + j, g);
    for (int i = 0; i < count(); ++i) v[i] = dy != nullptr ? g[i] * formulas::silu_slope(v[i]) : formulas::silu(v[i]);
    store<count()>(y + j, v);
  });
}

template <class T>
__global__ void __launch_bounds__(threads) sigmoid(Sigmoid<T> op) {
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) {
    const float s = formulas::sigmoid(static_cast<float>(op.x(blockIdx.x, j)));
    op.y(blockIdx.x, j) =
        static_cast<T>(op.dy.data != nullptr ? static_cast<float>(op.dy(blockIdx.x, j)) * s * (1 - s) : s);
  }
}

template <class T>
__global__ void __launch_bounds__(threads) round_rows(Round<T> op) {
  const T* x = op.x.row(blockIdx.x);
  bfloat16* y = op.y.row(blockIdx.x);
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) y[j] = bfloat16(static_cast<float>(x[j]));
}

__global__ void __launch_bounds__(threads) advance(Advance<std::int32_t> op) {
  const std::size_t i = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (i < op.counter.size) ++op.counter[i];
}

void enqueue(DeviceExecutor& executor, const Advance<std::int32_t>& op) {
  launch(advance, dim3(blocks_for(op.counter.size, threads)), dim3(threads), 0, executor, op);
}

#define PERTURBINE_ROWS(Op, kernel)                                                            \
  template <class T>                                                                           \
  void enqueue(DeviceExecutor& executor, const Op<T>& op) {                                    \
    launch(kernel<T>, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op); \
  }
PERTURBINE_ROWS(Combine, combine)
PERTURBINE_ROWS(GatherRows, gather_rows)
PERTURBINE_ROWS(Dropout, dropout)
PERTURBINE_ROWS(ScaleRows, scale_rows)
PERTURBINE_ROWS(Silu, silu)
PERTURBINE_ROWS(Sigmoid, sigmoid)
PERTURBINE_ROWS(Round, round_rows)

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Advance<std::int32_t>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Combine<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Combine<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatherRows<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatherRows<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Dropout<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Dropout<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, ScaleRows<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, ScaleRows<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Silu<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Silu<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Sigmoid<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Round<float>)

}  // namespace perturbine

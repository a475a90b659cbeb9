#include "kernels/dense/epilogue.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"
#include "kernels/core/vector.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

__device__ __forceinline__ float activate(Activation a, float z) {
  return a == Activation::silu ? formulas::silu(z) : a == Activation::gelu ? formulas::gelu(z) : z;
}
__device__ __forceinline__ float slope(Activation a, float z) {
  return a == Activation::silu ? formulas::silu_slope(z) : formulas::gelu_slope(z);
}

// One block per row.
__global__ void __launch_bounds__(128) bias_activation(BiasActivation<float> op) {
  const std::size_t row = blockIdx.x;
  const float* product = op.product.row(row);
  const float* residual = op.residual.data != nullptr ? op.residual.row(row) : nullptr;
  float *z = op.z.data != nullptr ? op.z.row(row) : nullptr, *y = op.y.row(row);
  const bool aligned = is_vector_aligned(product) && is_vector_aligned(residual) && is_vector_aligned(z) &&
                       is_vector_aligned(y) && is_vector_aligned(op.bias.data);
  for_columns<float>(static_cast<int>(op.y.columns), static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x),
                     aligned, [&](int j, auto count) {
                       float v[count()], b[count()] = {}, r[count()] = {};
                       load<count()>(product + j, v);
                       if (op.bias.data != nullptr) load<count()>(op.bias.data + j, b);
                       if (residual != nullptr) load<count()>(residual + j, r);
                       for (int i = 0; i < count(); ++i) v[i] += b[i];
                       if (z != nullptr) store<count()>(z + j, v);
                       for (int i = 0; i < count(); ++i) v[i] = activate(op.activation, v[i]) + r[i];
                       store<count()>(y + j, v);
                     });
}

// Stage one: a block of 32 x 8 threads covers 32 columns and 64 rows; the eight rows of threads add up in shared
// memory.
constexpr int block_rows = 64;
__global__ void __launch_bounds__(256) bias_activation_backward(BiasActivationBackward<float> op, float* partial) {
  __shared__ float sums[8][33];
  const std::size_t column = blockIdx.x * 32 + threadIdx.x, columns = op.dy.columns;
  float sum = 0;
  if (column < columns) {
    for (int r = static_cast<int>(threadIdx.y); r < block_rows; r += 8) {
      const std::size_t row = static_cast<std::size_t>(blockIdx.y) * block_rows + static_cast<std::size_t>(r);
      if (row >= op.dy.rows) break;
      float g = op.dy(row, column);
      if (op.activation != Activation::none) {
        g *= slope(op.activation, op.z(row, column));
        op.dz(row, column) = g;
      }
      sum += g;
    }
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns && partial != nullptr) {
    for (int i = 1; i < 8; ++i) sum += sums[i][threadIdx.x];
    partial[blockIdx.y * columns + column] = sum;
  }
}

void enqueue(DeviceExecutor& executor, const BiasActivation<float>& op) {
  launch(bias_activation, dim3(static_cast<unsigned>(op.y.rows)), dim3(128), 0, executor, op);
}

void enqueue(DeviceExecutor& executor, const BiasActivationBackward<float>& op) {
  const unsigned blocks = blocks_for(op.dy.rows, block_rows);
  float* partial = op.dbias.data != nullptr ? workspace<float>(executor, blocks * op.dy.columns) : nullptr;
  launch(bias_activation_backward, dim3(blocks_for(op.dy.columns, 32), blocks), dim3(32, 8), 0, executor, op, partial);
  if (partial != nullptr)
    launch(add_blocks<float>, dim3(blocks_for(op.dy.columns, 128)), dim3(128), 0, executor, partial, blocks,
           op.dy.columns, op.dbias, op.accumulate);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BiasActivation<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, BiasActivationBackward<float>)

}  // namespace perturbine

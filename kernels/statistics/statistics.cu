#include "kernels/statistics/statistics.h"

#include "kernels/core/device.h"
#include "kernels/statistics/compare.h"

namespace perturbine {
namespace {

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

// One thread per column and block of 64 rows; `centre` null: sums of x, else of (x - centre)^2.
__global__ void __launch_bounds__(threads)
    partial_sums(MatrixView<const float> x, const float* centre, float* partial) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x;
  if (j >= x.columns) return;
  float sum = 0;
  for (std::size_t i = blockIdx.y * block_rows; i < x.rows && i < (blockIdx.y + 1) * block_rows; ++i) {
    const float v = centre != nullptr ? x(i, j) - centre[j] : x(i, j);
    sum += centre != nullptr ? v * v : v;
  }
  partial[blockIdx.y * x.columns + j] = sum;
}

__global__ void __launch_bounds__(threads)
    average(const float* partial, unsigned blocks, std::size_t rows, VectorView<float> out) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x;
  if (j >= out.size) return;
  double sum = 0;
  for (unsigned b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b * out.size + j]);
  out[j] = static_cast<float>(sum / static_cast<double>(rows));
}

// One thread per gene: the samples are short and the walk is sequential.
__global__ void __launch_bounds__(threads) compare_sorted(CompareSorted<float> op) {
  const std::size_t g = blockIdx.x * threads + threadIdx.x;
  if (g >= op.a.rows) return;
  formulas::compare_sorted(op.a.row(g), op.a.columns, op.b.row(g), op.b.columns, op.wasserstein[g], op.crps[g]);
}

void enqueue(DeviceExecutor& executor, const ColumnMoments<float>& op) {
  const unsigned blocks = blocks_for(op.x.rows, block_rows), across = blocks_for(op.x.columns, threads);
  float* partial = workspace<float>(executor, blocks * op.x.columns);
  launch(partial_sums, dim3(across, blocks), dim3(threads), 0, executor, op.x, nullptr, partial);
  launch(average, dim3(across), dim3(threads), 0, executor, partial, blocks, op.x.rows, op.mean);
  launch(partial_sums, dim3(across, blocks), dim3(threads), 0, executor, op.x, op.mean.data, partial);
  launch(average, dim3(across), dim3(threads), 0, executor, partial, blocks, op.x.rows, op.variance);
}
void enqueue(DeviceExecutor& executor, const CompareSorted<float>& op) {
  launch(compare_sorted, dim3(blocks_for(op.a.rows, threads)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, ColumnMoments<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, CompareSorted<float>)

}  // namespace perturbine

// Columns to rows, then CUB's segmented sort of every row.
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <cub/device/device_segmented_sort.cuh>

#include "kernels/core/device.h"
#include "kernels/statistics/statistics.h"

namespace perturbine {
namespace {

__global__ void transpose(MatrixView<const float> x, float* y) {
  const std::size_t k = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k < x.rows * x.columns) y[k] = x(k % x.rows, k / x.rows);
}

struct RowBegin {
  std::size_t pitch;
  __host__ __device__ int operator()(int row) const { return static_cast<int>(static_cast<std::size_t>(row) * pitch); }
};

void enqueue(Cuda& executor, const SortColumns<float>& op) {
  const std::size_t count = op.x.rows * op.x.columns;
  if (count == 0) return;
  require(op.y.pitch == op.y.columns, "sort_columns: on a GPU the rows of y must follow one another");
  const std::size_t values = (count * sizeof(float) + 255) / 256 * 256;
  const auto begin = thrust::make_transform_iterator(thrust::counting_iterator<int>(0), RowBegin{op.x.rows});
  std::size_t scratch = 0;
  const auto stream = static_cast<cudaStream_t>(executor.stream);
  const int n = static_cast<int>(count), segments = static_cast<int>(op.x.columns);
  check_cuda(
      cub::DeviceSegmentedSort::SortKeys(nullptr, scratch, op.y.data, op.y.data, n, segments, begin, begin + 1, stream),
      "sizing a sort");
  auto* memory = workspace<unsigned char>(executor, values + scratch);
  auto* unsorted = reinterpret_cast<float*>(memory);
  launch(transpose, dim3(blocks_for(count, 256)), dim3(256), 0, executor, op.x, unsorted);
  check_cuda(cub::DeviceSegmentedSort::SortKeys(memory + values, scratch, unsorted, op.y.data, n, segments, begin,
                                                begin + 1, stream),
             "sorting columns");
}

}  // namespace

PERTURBINE_EXECUTE(Cuda, enqueue, SortColumns<float>)

}  // namespace perturbine

// Device variants of film_layer_norm.
#include "bench/studies/variant.h"
#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"
#include "kernels/normalisation/film_layer_norm.h"

namespace perturbine::studies {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;
using Op = FilmLayerNorm<float>;

__device__ __forceinline__ float result(const Op& op, float normalised, float scale, float shift) {
  const float z = normalised * (1.0f + scale) + shift;
  return op.activate ? formulas::silu(z) : z;
}

__global__ void __launch_bounds__(128) element_loads(Op op) {
  const std::size_t row = blockIdx.x;
  const float *x = op.x.row(row), *scale = op.scale.row(op.film_row(row)), *shift = op.shift.row(op.film_row(row));
  float* y = op.y.row(row);
  const int n = static_cast<int>(op.x.columns), t = static_cast<int>(threadIdx.x);
  float sum = 0, squares = 0;
  for (int j = t; j < n; j += 128) sum += x[j];
  const float mean = block_sum(sum) / static_cast<float>(n);
  for (int j = t; j < n; j += 128) squares += (x[j] - mean) * (x[j] - mean);
  const float inverse = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(n) + op.epsilon);
  for (int j = t; j < n; j += 128) y[j] = result(op, (x[j] - mean) * inverse, scale[j], shift[j]);
  if (t == 0) op.mean[row] = mean, op.inverse_deviation[row] = inverse;
}

// Columns lane, lane + 32, ...: a warp's access is 128 neighbouring bytes. Rows wider than the registers hold are read
// again.
constexpr int kept = 16;
__global__ void __launch_bounds__(128) one_warp_a_row(Op op) {
  const std::size_t row = std::size_t{4} * blockIdx.x + threadIdx.x / 32;
  if (row >= op.x.rows) return;
  const float *x = op.x.row(row), *scale = op.scale.row(op.film_row(row)), *shift = op.shift.row(op.film_row(row));
  float* y = op.y.row(row);
  const int n = static_cast<int>(op.x.columns), lane = static_cast<int>(threadIdx.x % 32);
  float v[kept];
  float sum = 0, squares = 0;
  for (int k = 0; k < kept; ++k) {
    const int j = lane + 32 * k;
    v[k] = j < n ? x[j] : 0.0f;
    sum += v[k];
  }
  for (int j = lane + 32 * kept; j < n; j += 32) sum += x[j];
  const float mean = warp_sum(sum) / static_cast<float>(n);
  for (int k = 0; k < kept; ++k) squares += lane + 32 * k < n ? (v[k] - mean) * (v[k] - mean) : 0.0f;
  for (int j = lane + 32 * kept; j < n; j += 32) squares += (x[j] - mean) * (x[j] - mean);
  const float inverse = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(n) + op.epsilon);
  for (int k = 0; k < kept; ++k) {
    const int j = lane + 32 * k;
    if (j < n) y[j] = result(op, (v[k] - mean) * inverse, scale[j], shift[j]);
  }
  for (int j = lane + 32 * kept; j < n; j += 32) y[j] = result(op, (x[j] - mean) * inverse, scale[j], shift[j]);
  if (lane == 0) op.mean[row] = mean, op.inverse_deviation[row] = inverse;
}

void by_element(DeviceExecutor& executor, const Op& op) {
  launch(element_loads, dim3(static_cast<unsigned>(op.x.rows)), dim3(128), 0, executor, op);
}
void by_warp(DeviceExecutor& executor, const Op& op) {
  launch(one_warp_a_row, dim3(blocks_for(op.x.rows, 4)), dim3(128), 0, executor, op);
}

}  // namespace

PERTURBINE_VARIANT("film_layer_norm", "element_loads", DeviceExecutor, by_element, FilmLayerNorm<float>)
PERTURBINE_VARIANT("film_layer_norm", "one_warp_a_row", DeviceExecutor, by_warp, FilmLayerNorm<float>)

}  // namespace perturbine::studies

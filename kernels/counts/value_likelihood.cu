// One block per row for losses and elementwise gradients; the deviations' gradient by genes, in blocks of rows.
#include "kernels/counts/value_likelihood.h"

#include "kernels/core/reduce.cuh"
#include "kernels/counts/sparse_row.cuh"
#include "kernels/counts/value_formulas.h"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;
constexpr std::size_t block_rows = 64;

__device__ __forceinline__ formulas::ValueTerm<float> term(const ValueLikelihood<float>& op, std::size_t i,
                                                           std::size_t j) {
  const float x = value_at(op.values, i, static_cast<std::int32_t>(j));
  if (op.zero_logit.data != nullptr && x <= 0) return formulas::log_normal_zero(op.zero_logit(i, j));
  const float deviation = op.log_deviation[j], precision = formulas::exp(-deviation);
  return op.zero_logit.data == nullptr
             ? formulas::gaussian_value(x, op.mean(i, j), deviation, precision)
             : formulas::log_normal_positive(x, op.mean(i, j), deviation, precision, op.zero_logit(i, j));
}

__global__ void __launch_bounds__(threads) value_likelihood(ValueLikelihood<float> op) {
  const std::size_t i = blockIdx.x;
  float sum = 0;
  for (std::size_t j = threadIdx.x; j < op.mean.columns; j += threads) {
    const formulas::ValueTerm<float> t = term(op, i, j);
    sum += t.loss;
    if (op.dmean.data == nullptr) continue;
    op.dmean(i, j) = op.dloss[i] * t.dmean;
    if (op.dzero_logit.data != nullptr) op.dzero_logit(i, j) = op.dloss[i] * t.dzero_logit;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) op.loss[i] = sum;
}

__global__ void __launch_bounds__(threads) deviation_gradient(ValueLikelihood<float> op, float* partial) {
  const std::size_t j = blockIdx.x * threads + threadIdx.x;
  if (j >= op.mean.columns) return;
  float sum = 0;
  for (std::size_t i = blockIdx.y * block_rows; i < op.mean.rows && i < (blockIdx.y + 1) * block_rows; ++i)
    sum += op.dloss[i] * term(op, i, j).dlog_deviation;
  partial[blockIdx.y * op.mean.columns + j] = sum;
}

void enqueue(DeviceExecutor& executor, const ValueLikelihood<float>& op) {
  launch(value_likelihood, dim3(static_cast<unsigned>(op.mean.rows)), dim3(threads), 0, executor, op);
  if (op.dmean.data == nullptr) return;
  const unsigned blocks = blocks_for(op.mean.rows, block_rows), across = blocks_for(op.mean.columns, threads);
  float* partial = workspace<float>(executor, blocks * op.mean.columns);
  launch(deviation_gradient, dim3(across, blocks), dim3(threads), 0, executor, op, partial);
  launch(add_blocks<float>, dim3(across), dim3(threads), 0, executor, partial, blocks, op.mean.columns,
         op.dlog_deviation, false);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, ValueLikelihood<float>)

}  // namespace perturbine

// One thread per gene, or per quantile: the samples are short and the walk is sequential.
#include "kernels/statistics/rank_sum.h"

#include "kernels/core/device.h"

namespace perturbine {
namespace {

constexpr unsigned threads = 128;

__global__ void __launch_bounds__(threads) rank_sum(RankSum<float> op) {
  const std::size_t g = blockIdx.x * threads + threadIdx.x;
  if (g >= op.a.rows) return;
  const double n = static_cast<double>(op.a.columns), m = static_cast<double>(op.b.columns);
  double u, ties;
  formulas::rank_sum(op.a.row(g), op.a.columns, op.b.row(g), op.b.columns, u, ties);
  op.u[g] = static_cast<float>(u);
  op.score[g] = formulas::rank_score(u, ties, n, m);
}

__global__ void __launch_bounds__(threads) quantiles(Quantiles<float> op) {
  const std::size_t i = blockIdx.x * threads + threadIdx.x;
  if (i >= op.y.rows * op.y.columns) return;
  const std::size_t g = i / op.y.columns, k = i % op.y.columns;
  op.y(g, k) = formulas::quantile(op.x.row(g), op.x.columns, op.probability[k]);
}

void enqueue(DeviceExecutor& executor, const RankSum<float>& op) {
  launch(rank_sum, dim3(blocks_for(op.a.rows, threads)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const Quantiles<float>& op) {
  launch(quantiles, dim3(blocks_for(op.y.rows * op.y.columns, threads)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, RankSum<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Quantiles<float>)

}  // namespace perturbine

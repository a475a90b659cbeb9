// All iterations in one launch: a cluster of eight blocks holds the cost matrix in its shared memory, an eighth of the
// rows each. A block finds the potentials of its rows alone; of the columns it has the maximum and the sum over its
// rows, which every block adds up over all eight. One barrier of the cluster an iteration, for those sums alternate
// between two places. Larger matrices, and GPUs without clusters: a launch a half.
#include "kernels/core/cluster.cuh"
#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"
#include "kernels/transport/sinkhorn.h"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 256, cluster = 8, warps = 8;
constexpr float nothing = -1e30f;  // below every term; finite, so that differences are too

// Rows of one block.
inline std::size_t rows_of_block(std::size_t rows) { return (rows + cluster - 1) / cluster; }
// Costs, the terms of rows and columns, and twice the columns' maxima and sums.
inline std::size_t shared_floats(const Sinkhorn<float>& op) {
  return rows_of_block(op.f.size) * (op.g.size + 1) + 5 * op.g.size;
}

__global__ void __launch_bounds__(threads) sinkhorn_iterations(Sinkhorn<float> op, unsigned rows_each) {
  const unsigned m = static_cast<unsigned>(op.g.size), n = static_cast<unsigned>(op.f.size), rank = cluster_rank();
  const unsigned first = rank * rows_each < n ? rank * rows_each : n,
                 rows = first + rows_each < n ? rows_each : n - first;
  const float inverse = 1 / op.epsilon, scale = -op.damping * op.epsilon;
  float* costs = dynamic_shared<float>();     // [rows_each, m], over epsilon
  float* row_term = costs + rows_each * m;    // [rows_each]: log weight + potential over epsilon
  float* column_term = row_term + rows_each;  // [m]: the same
  float* parts = column_term + m;             // [2, 2, m]: maxima and sums, of this iteration and of the next
  for (unsigned k = threadIdx.x; k < rows * m; k += threads) costs[k] = op.cost_matrix(first + k / m, k % m) * inverse;
  for (unsigned j = threadIdx.x; j < m; j += threads) column_term[j] = op.column_log_weight[j];
  __syncthreads();

  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (std::size_t iteration = 0; iteration < op.iterations; ++iteration) {
    for (unsigned i = warp; i < rows; i += warps) {  // a warp a row
      const float* c = costs + i * m;
      float largest = nothing, sum = 0;
      for (unsigned j = lane; j < m; j += 32) largest = fmaxf(largest, column_term[j] - c[j]);
      largest = warp_max(largest);
      for (unsigned j = lane; j < m; j += 32) sum += formulas::exp(column_term[j] - c[j] - largest);
      sum = warp_sum(sum);
      if (lane != 0) continue;
      const float f = scale * (largest + formulas::log(sum));
      row_term[i] = op.row_log_weight[first + i] + f * inverse;
      op.f[first + i] = f;
    }
    __syncthreads();
    float *maxima = parts + iteration % 2 * 2 * m, *sums = maxima + m;
    for (unsigned j = threadIdx.x; j < m; j += threads) {  // a thread a column
      float largest = nothing, sum = 0;
      for (unsigned i = 0; i < rows; ++i) largest = fmaxf(largest, row_term[i] - costs[i * m + j]);
      for (unsigned i = 0; i < rows; ++i) sum += formulas::exp(row_term[i] - costs[i * m + j] - largest);
      maxima[j] = largest, sums[j] = sum;
    }
    cluster_synchronise();
    for (unsigned j = threadIdx.x; j < m; j += threads) {
      float largest = nothing, sum = 0;
      for (unsigned r = 0; r < cluster; ++r) largest = fmaxf(largest, cluster_shared(maxima, r)[j]);
      for (unsigned r = 0; r < cluster; ++r)
        sum += cluster_shared(sums, r)[j] * formulas::exp(cluster_shared(maxima, r)[j] - largest);
      const float g = scale * (largest + formulas::log(sum));
      column_term[j] = op.column_log_weight[j] + g * inverse;
      if (rank == 0) op.g[j] = g;
    }
    __syncthreads();
  }
  cluster_synchronise();  // no block ends while another reads its memory
}

__global__ void __launch_bounds__(threads) set_zero(VectorView<float> v) {
  const std::size_t i = blockIdx.x * std::size_t{threads} + threadIdx.x;
  if (i < v.size) v[i] = 0;
}

void enqueue(DeviceExecutor& executor, const Sinkhorn<float>& op) {
  const std::size_t bytes = shared_floats(op) * sizeof(float);
  if (op.iterations > 0 && bytes <= std::size_t{200} << 10 && has_clusters(executor)) {
    launch_clusters(sinkhorn_iterations, cluster, dim3(cluster), dim3(threads), bytes, executor, op,
                    static_cast<unsigned>(rows_of_block(op.f.size)));
    return;
  }
  launch(set_zero, dim3(blocks_for(op.g.size, threads)), dim3(threads), 0, executor, op.g);
  for (std::size_t i = 0; i < op.iterations; ++i)
    for (const bool columns : {false, true}) execute(executor, op.half(columns));
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, Sinkhorn<float>)

}  // namespace perturbine

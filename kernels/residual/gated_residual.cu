#include "kernels/residual/gated_residual.h"

#include "kernels/core/vector.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 128;

template <class T>
__global__ void __launch_bounds__(threads) gated_residual(GatedResidual<T> op) {
  const T *residual = op.residual.row(blockIdx.x), *branch = op.branch.row(blockIdx.x), *gate = op.gate.row(blockIdx.x);
  T* y = op.y.row(blockIdx.x);
  const bool aligned =
      is_vector_aligned(residual) && is_vector_aligned(branch) && is_vector_aligned(gate) && is_vector_aligned(y);
  for_columns<T>(static_cast<int>(op.y.columns), static_cast<int>(threadIdx.x), static_cast<int>(threads), aligned,
                 [&](int j, auto count) {
                   float r[count()], b[count()], g[count()];
                   load<count()>(residual + j, r);
                   load<count()>(branch + j, b);
                   load<count()>(gate + j, g);
                   for (int i = 0; i < count(); ++i) r[i] += g[i] * b[i];
                   store<count()>(y + j, r);
                 });
}

template <class T>
__global__ void __launch_bounds__(threads) gated_residual_backward(GatedResidualBackward<T> op) {
  const T *dy = op.dy.row(blockIdx.x), *branch = op.branch.row(blockIdx.x), *gate = op.gate.row(blockIdx.x);
  T *dbranch = op.dbranch.row(blockIdx.x), *dgate = op.dgate.row(blockIdx.x);
  const bool aligned = is_vector_aligned(dy) && is_vector_aligned(branch) && is_vector_aligned(gate) &&
                       is_vector_aligned(dbranch) && is_vector_aligned(dgate);
  for_columns<T>(static_cast<int>(op.dy.columns), static_cast<int>(threadIdx.x), static_cast<int>(threads), aligned,
                 [&](int j, auto count) {
                   float d[count()], b[count()], g[count()];
                   load<count()>(dy + j, d);
                   load<count()>(branch + j, b);
                   load<count()>(gate + j, g);
                   for (int i = 0; i < count(); ++i) {
                     g[i] *= d[i];
                     b[i] *= d[i];
                   }
                   store<count()>(dbranch + j, g);
                   store<count()>(dgate + j, b);
                 });
}

template <class T>
void enqueue(DeviceExecutor& executor, const GatedResidual<T>& op) {
  launch(gated_residual<T>, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const GatedResidualBackward<T>& op) {
  launch(gated_residual_backward<T>, dim3(static_cast<unsigned>(op.dy.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatedResidual<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatedResidual<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatedResidualBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, GatedResidualBackward<bfloat16>)

}  // namespace perturbine

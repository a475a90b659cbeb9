#include "kernels/residual/gated_residual.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

template <class T>
void run(Cpu& cpu, const GatedResidual<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T *residual = op.residual.row(i), *branch = op.branch.row(i), *gate = op.gate.row(i);
    T* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j)
      y[j] =
          static_cast<T>(static_cast<float>(residual[j]) + static_cast<float>(gate[j]) * static_cast<float>(branch[j]));
  });
}

template <class T>
void run(Cpu& cpu, const GatedResidualBackward<T>& op) {
  for_rows(cpu, op.dy.rows, op.dy.columns, [&](std::size_t i) {
    const T *dy = op.dy.row(i), *branch = op.branch.row(i), *gate = op.gate.row(i);
    T *dbranch = op.dbranch.row(i), *dgate = op.dgate.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.dy.columns; ++j) {
      const float g = static_cast<float>(dy[j]);
      put(dbranch[j], g * static_cast<float>(gate[j]));
      put(dgate[j], g * static_cast<float>(branch[j]));
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, GatedResidual<float>)
PERTURBINE_EXECUTE(Cpu, run, GatedResidual<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, GatedResidualBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, GatedResidualBackward<bfloat16>)

}  // namespace perturbine

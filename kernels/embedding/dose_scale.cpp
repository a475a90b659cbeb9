#include "kernels/embedding/dose_scale.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

formulas::DoseResponse response(DoseCurve curve, float dose, const MatrixView<const float>& parameters, std::size_t i) {
  return formulas::dose_response(curve, dose, parameters.row(i));
}

void run(Cpu& cpu, const DoseScale<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns + 64, [&](std::size_t i) {
    const float s = response(op.curve, op.dose[i], op.parameters, i).value, *x = op.x.row(i);
    float* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j) y[j] = s * x[j];
  });
}

void run(Cpu& cpu, const DoseScaleBackward<float>& op) {
  for_rows(cpu, op.dx.rows, op.dx.columns + 64, [&](std::size_t i) {
    const formulas::DoseResponse r = response(op.curve, op.dose[i], op.parameters, i);
    const float *x = op.x.row(i), *dy = op.dy.row(i);
    float *dx = op.dx.row(i), along = 0;
#pragma omp simd reduction(+ : along)
    for (std::size_t j = 0; j < op.dx.columns; ++j) along += x[j] * dy[j], dx[j] = r.value * dy[j];
    for (std::size_t k = 0; k < op.parameters.columns; ++k) op.dparameters(i, k) = along * r.slope[k];
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, DoseScale<float>)
PERTURBINE_EXECUTE(Cpu, run, DoseScaleBackward<float>)

}  // namespace perturbine

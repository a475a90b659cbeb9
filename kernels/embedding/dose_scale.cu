// One block per row; every thread evaluates the row's response.
#include "kernels/embedding/dose_scale.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 64;

__device__ __forceinline__ formulas::DoseResponse response(DoseCurve curve, float dose,
                                                           const MatrixView<const float>& parameters, std::size_t i) {
  return formulas::dose_response(curve, dose, parameters.row(i));
}

__global__ void __launch_bounds__(threads) dose_scale(DoseScale<float> op) {
  const std::size_t i = blockIdx.x;
  const float s = response(op.curve, op.dose[i], op.parameters, i).value;
  for (std::size_t j = threadIdx.x; j < op.y.columns; j += threads) op.y(i, j) = s * op.x(i, j);
}

__global__ void __launch_bounds__(threads) dose_scale_backward(DoseScaleBackward<float> op) {
  const std::size_t i = blockIdx.x;
  const formulas::DoseResponse r = response(op.curve, op.dose[i], op.parameters, i);
  float along = 0;
  for (std::size_t j = threadIdx.x; j < op.dx.columns; j += threads) {
    const float dy = op.dy(i, j);
    along += op.x(i, j) * dy;
    op.dx(i, j) = r.value * dy;
  }
  along = block_sum(along);
  for (int k = 0; k < formulas::DoseResponse::most; ++k)  // unrolled: slopes stay in registers
    if (threadIdx.x == 0 && static_cast<std::size_t>(k) < op.parameters.columns)
      op.dparameters(i, static_cast<std::size_t>(k)) = along * r.slope[k];
}

void enqueue(DeviceExecutor& executor, const DoseScale<float>& op) {
  launch(dose_scale, dim3(static_cast<unsigned>(op.y.rows)), dim3(threads), 0, executor, op);
}
void enqueue(DeviceExecutor& executor, const DoseScaleBackward<float>& op) {
  launch(dose_scale_backward, dim3(static_cast<unsigned>(op.dx.rows)), dim3(threads), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, DoseScale<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, DoseScaleBackward<float>)

}  // namespace perturbine

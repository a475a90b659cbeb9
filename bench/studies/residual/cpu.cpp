// Native variants of a product with its epilogue.
#include "kernels/core/cpu.h"
#include "bench/studies/variant.h"
#include "kernels/dense/epilogue.h"
#include "kernels/dense/product.h"

namespace perturbine::studies {
namespace {

using Op = Linear<float>;

// x W' into y.
void product(Cpu& cpu, const Op& op) {
  require(op.activation == Activation::silu && op.z.data != nullptr && op.residual.data != nullptr,
          "this variant is for silu, with a residual and the sum kept");
  execute(cpu, MatrixProduct<float>{op.x, op.weight, op.y, false, true, false, op.math});
}

void separate(Cpu& cpu, const Op& op) {
  product(cpu, op);
  const std::size_t n = op.y.columns;
  for_rows(cpu, op.y.rows, n, [&](std::size_t i) {
    const float *y = op.y.row(i), *bias = op.bias.data;
    float* z = op.z.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) z[j] = y[j] + bias[j];
  });
  for_rows(cpu, op.y.rows, n, [&](std::size_t i) {
    const float* z = op.z.row(i);
    float* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) y[j] = formulas::silu(z[j]);
  });
  for_rows(cpu, op.y.rows, n, [&](std::size_t i) {
    const float* r = op.residual.row(i);
    float* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) y[j] += r[j];
  });
}

void pass_after(Cpu& cpu, const Op& op) {
  product(cpu, op);
  execute(cpu, BiasActivation<float>{
                   {op.y.data, op.y.rows, op.y.columns, op.y.pitch}, op.bias, op.residual, op.z, op.y, op.activation});
}

}  // namespace

PERTURBINE_VARIANT("residual", "separate", Cpu, separate, Linear<float>)
PERTURBINE_VARIANT("residual", "pass_after", Cpu, pass_after, Linear<float>)

}  // namespace perturbine::studies

#include "kernels/dense/epilogue.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

float activate(Activation a, float z) {
  return a == Activation::silu ? formulas::silu(z) : a == Activation::gelu ? formulas::gelu(z) : z;
}

void run(Cpu& cpu, const BiasActivation<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const float* product = op.product.row(i);
    const float* residual = op.residual.data != nullptr ? op.residual.row(i) : nullptr;
    float *z = op.z.data != nullptr ? op.z.row(i) : nullptr, *y = op.y.row(i);
    auto each = [&](auto slope) {
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j) {
        const float v = product[j] + (op.bias.data != nullptr ? op.bias[j] : 0.0f);
        const float r = residual != nullptr ? residual[j] : 0.0f;
        if (z != nullptr) z[j] = v;
        y[j] = slope(v) + r;
      }
    };
    if (op.activation == Activation::silu)
      each([](float v) { return activate(Activation::silu, v); });
    else if (op.activation == Activation::gelu)
      each([](float v) { return activate(Activation::gelu, v); });
    else
      each([](float v) { return v; });
  });
}

template <Activation activation>
void backward_rows(const BiasActivationBackward<float>& op, std::size_t begin, std::size_t end, float* sums) {
  const std::size_t n = op.dy.columns;
  for (std::size_t i = begin; i < end; ++i) {
    const float* dy = op.dy.row(i);
    if constexpr (activation == Activation::none) {
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) sums[j] += dy[j];
    } else {
      const float* z = op.z.row(i);
      float* dz = op.dz.row(i);
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float slope = activation == Activation::silu ? formulas::silu_slope(z[j]) : formulas::gelu_slope(z[j]);
        const float g = dy[j] * slope;
        dz[j] = g;
        sums[j] += g;
      }
    }
  }
}

void run(Cpu& cpu, const BiasActivationBackward<float>& op) {
  const std::size_t n = op.dy.columns, blocks = (op.dy.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(std::max<std::size_t>(1, blocks) * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* sums = partial + b * n;
    std::fill_n(sums, n, 0.0f);
    const std::size_t begin = b * block_rows, end = std::min(op.dy.rows, begin + block_rows);
    if (op.activation == Activation::silu)
      backward_rows<Activation::silu>(op, begin, end, sums);
    else if (op.activation == Activation::gelu)
      backward_rows<Activation::gelu>(op, begin, end, sums);
    else
      backward_rows<Activation::none>(op, begin, end, sums);
  });
  if (op.dbias.data == nullptr) return;
  if (!op.accumulate) std::fill_n(op.dbias.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) op.dbias[j] += partial[b * n + j];
  }
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, BiasActivation<float>)
PERTURBINE_EXECUTE(Cpu, run, BiasActivationBackward<float>)

}  // namespace perturbine

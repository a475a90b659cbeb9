#include "kernels/dense/epilogue.h"

#include "kernels/core/cpu.h"
#include "kernels/dense/activation.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

void run(Cpu& cpu, const BiasActivation<float>& op) {
  with_activation(op.activation, [&](auto activation) {
    for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
      const float* product = op.product.row(i);
      const float* residual = op.residual.data != nullptr ? op.residual.row(i) : nullptr;
      float *z = op.z.data != nullptr ? op.z.row(i) : nullptr, *y = op.y.row(i);
      lanes::for_columns(0, op.y.columns, [&](std::size_t j, auto count) {
        Lanes v = lanes::load(product + j, count);
        if (op.bias.data != nullptr) v += lanes::load(op.bias.data + j, count);
        if (z != nullptr) lanes::store(z + j, v, count);
        Lanes a = activated<activation.value>(v);
        if (residual != nullptr) a += lanes::load(residual + j, count);
        lanes::store(y + j, a, count);
      });
    });
  });
}

// Adds the rows to `sums`, four at a time: sums are loaded and stored once for them.
template <Activation activation>
void backward_rows(const BiasActivationBackward<float>& op, std::size_t begin, std::size_t end, float* sums) {
  constexpr bool active = activation != Activation::none;
  for (std::size_t i = begin; i < end; i += 4) {
    const std::size_t rows = std::min<std::size_t>(4, end - i);
    lanes::for_columns(0, op.dy.columns, [&](std::size_t j, auto count) {
      Lanes sum{};
      for (std::size_t r = i; r < i + rows; ++r) {
        Lanes g = lanes::load(op.dy.row(r) + j, count);
        if constexpr (active) {
          g *= activation_slope<activation>(lanes::load(op.z.row(r) + j, count));
          lanes::store(op.dz.row(r) + j, g, count);
        }
        sum += g;
      }
      lanes::store(sums + j, lanes::load(sums + j, count) + sum, count);
    });
  }
}

void run(Cpu& cpu, const BiasActivationBackward<float>& op) {
  const std::size_t n = op.dy.columns, blocks = (op.dy.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(std::max<std::size_t>(1, blocks) * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float* sums = partial + b * n;
    std::fill_n(sums, n, 0.0f);
    const std::size_t begin = b * block_rows, end = std::min(op.dy.rows, begin + block_rows);
    with_activation(op.activation, [&](auto a) { backward_rows<a.value>(op, begin, end, sums); });
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

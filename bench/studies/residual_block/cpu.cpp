// Native variants of a whole residual block for sampling.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/dense/product.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/residual/residual_block.h"

namespace perturbine::studies {
namespace {

using Op = ResidualBlock<float>;

// The operations a training step has: layer norm, product with bias and SiLU, product with bias and the block's input.
void composed(Cpu& cpu, const Op& op) {
  const std::size_t rows = op.x.rows, width = op.x.columns;
  static thread_local std::vector<float> n, z, hidden, mean, deviation;
  static thread_local std::vector<bfloat16> rounded;
  for (auto* v : {&n, &z, &hidden}) v->resize(rows * width);
  for (auto* v : {&mean, &deviation}) v->resize(rows);
  rounded.resize(rows * width);
  const auto of = [&](std::vector<float>& v) { return matrix(v.data(), rows, width); };
  const auto rounded_rows = matrix(rounded.data(), rows, width);
  execute(cpu,
          FilmLayerNorm<float>{op.x, op.scale, op.shift, of(n), {mean.data(), rows}, {deviation.data(), rows}, false});
  execute(cpu, Round<float>{of(n), rounded_rows});
  // The weights as floats are not looked at where their rounded form is given.
  const MatrixView<const float> weight{n.data(), width, width, width};
  execute(cpu, Linear<float>{
                   of(n), weight, op.b1, {}, of(z), of(hidden), Activation::silu, Math::bf16, rounded_rows, op.w1});
  execute(cpu, Round<float>{of(hidden), rounded_rows});
  execute(cpu,
          Linear<float>{of(hidden), weight, op.b2, op.x, {}, op.y, Activation::none, Math::bf16, rounded_rows, op.w2});
}

}  // namespace

PERTURBINE_VARIANT("residual_block", "composed", Cpu, composed, ResidualBlock<float>)

}  // namespace perturbine::studies

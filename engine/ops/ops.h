// The differentiable operations. Each file of this folder holds forward, backward and what is saved of one family.
#pragma once
#include "engine/tape.h"
#include "kernels/dense/product.h"
#include "kernels/diffusion/diffusion.h"

namespace perturbine::ops {

/// activation(x weight^T + bias) [+ residual]. weight [out, in], bias [1, out].
Var linear(Tape&, Var x, Parameter weight, Parameter bias, Activation activation = Activation::none);
Var linear_residual(Tape&, Var x, Parameter weight, Parameter bias, Var residual);

/// layer_norm(x) * (1 + scale) + shift, with SiLU if `activate`.
Var film_layer_norm(Tape&, Var x, Var scale, Var shift, bool activate);
/// layer_norm(x) * gain + bias; gain and bias [1, width].
Var layer_norm(Tape&, Var x, Parameter gain, Parameter bias);

Var silu(Tape&, Var x);
Var add(Tape&, Var a, Var b);
/// residual + gate * branch
Var gated_residual(Tape&, Var residual, Var branch, Var gate);
Var dropout(Tape&, Var x, float rate, VectorView<const std::uint64_t> offset, std::uint64_t seed, std::uint64_t stream);
/// Rows scaled by a constant factor each; 0 leaves a row out.
Var scale_rows(Tape&, Var x, VectorView<const float> factor);

/// A batch of weighted sets over a table's rows; see SetEmbedding.
struct Sets {
  VectorView<const std::int32_t> row_offsets, index, member_row;
  VectorView<const float> weight;
};
/// Sum over each row's set of weight * table[index].
Var set_embedding(Tape&, Parameter table, const Sets& sets, std::size_t rows);

/// sin and cos of time * frequency; with `learned`, frequency [1, half] is a parameter.
Var time_embedding(Tape&, VectorView<const float> time, VectorView<const float> frequency);
Var time_embedding(Tape&, VectorView<const float> time, Parameter frequency);

/// Attention of every query row over its own set of rows of keys and values.
Var set_attention(Tape&, Var query, Var keys, Var values, VectorView<const std::int32_t> length, std::size_t heads);

/// The diffusion loss summed over rows with the given weights; see DiffusionLoss. Returns the memory of the per-row
/// losses, which backward() fills.
struct DiffusionTerms {
  MatrixView<const float> x0;
  VectorView<const float> alpha, sigma, weight, variance;
  VectorView<const std::uint64_t> offset;
  Target target = Target::x0;
  std::uint64_t seed = 0;
};
VectorView<float> diffusion_loss(Tape&, Var F, const DiffusionTerms&, VectorView<const float> row_weight);

/// Mean over columns of (F - target)^2, summed over rows with the given weights. Returns the memory of the unweighted
/// per-row losses, which backward() fills.
VectorView<float> squared_error_loss(Tape&, Var F, MatrixView<const float> target, VectorView<const float> row_weight);

}  // namespace perturbine::ops

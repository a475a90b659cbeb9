// The differentiable operations. Each file of this folder holds forward, backward and what is saved of one family.
#pragma once
#include "engine/tape.h"
#include "kernels/dense/product.h"
#include "kernels/diffusion/diffusion.h"
#include "kernels/embedding/dose_scale.h"
#include "kernels/similarity/similarity.h"

namespace perturbine::ops {

/// activation(x weight^T + bias) [+ residual]. weight [out, in], bias [1, out].
Var linear(Tape&, Var x, Parameter weight, Parameter bias, Activation activation = Activation::none);
Var linear_residual(Tape&, Var x, Parameter weight, Parameter bias, Var residual);
/// The same with a weight and a bias on the tape.
Var linear(Tape&, Var x, Var weight, Var bias);
Var linear_residual(Tape&, Var x, Var weight, Var bias, Var residual);

/// layer_norm(x) * (1 + scale) + shift, with SiLU if `activate`. Scale and shift may have fewer rows, each for as many
/// neighbouring rows of x.
Var film_layer_norm(Tape&, Var x, Var scale, Var shift, bool activate);
/// layer_norm(x) * gain + bias; gain and bias [1, width].
Var layer_norm(Tape&, Var x, Parameter gain, Parameter bias);

/// A block of the score network, x + linear2(silu(linear1(film_layer_norm(x)))), as one operation with products of
/// bfloat16 numbers: for tapes for inference on queues whose products are bf16. It has no backward pass.
Var residual_block_inference(Tape&, Var x, Var scale, Var shift, Parameter w1, Parameter b1, Parameter w2,
                             Parameter b2);
/// Whether that can be.
bool can_fuse_residual_block(Tape&, std::size_t width);

/// Batch norm's parameters, each [1, width]; the running statistics are frozen parameters that training steps move.
struct BatchNormParameters {
  Parameter gain, bias, running_mean, running_variance;
};
/// Declares them: gains and variances 1, biases and means 0.
BatchNormParameters add_batch_norm(Parameters&, const std::string& name, std::size_t width, ParameterSettings = {});
/// Batch norm and leaky ReLU (slope 0: ReLU, 1: none) by the batch's statistics, which move the running ones.
Var batch_norm(Tape&, Var x, const BatchNormParameters&, float slope);
/// The same by the running statistics. It has no backward pass.
Var batch_norm_inference(Tape&, Var x, const BatchNormParameters&, float slope);

Var silu(Tape&, Var x);
Var sigmoid(Tape&, Var x);
/// Element by element.
Var multiply(Tape&, Var a, Var b);
/// x itself; its gradient is that of the result times -factor. Source: Ganin et al., JMLR 17 (2016) 1, eq. 17.
Var reverse_gradient(Tape&, Var x, float factor);
/// Side by side, in the given order.
Var concatenate(Tape&, const std::vector<Var>& parts);
/// A parameter as a matrix on the tape.
Var parameter(Tape&, Parameter p);
/// Some of a parameter's entries: `index` [chosen] are their numbers, none twice, and `place` [entries] says where each
/// entry is among them, or -1.
struct Choice {
  VectorView<const std::int32_t> index, place;
};
/// Chosen rows of a parameter, or chosen columns of one that is a single row.
Var parameter_rows(Tape&, Parameter p, const Choice& rows);
Var parameter_columns(Tape&, Parameter p, const Choice& columns);
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
  VectorView<const float> column_weight = {};
};
VectorView<float> diffusion_loss(Tape&, Var F, const DiffusionTerms&, VectorView<const float> row_weight);

/// Mean over columns of (F - target)^2, summed over rows with the given weights. Returns the memory of the unweighted
/// per-row losses, which backward() fills.
VectorView<float> squared_error_loss(Tape&, Var F, MatrixView<const float> target, VectorView<const float> row_weight);

/// Rows scaled by a learned dose response with one row of parameters each; see DoseScale.
Var dose_scale(Tape&, Var x, Var parameters, VectorView<const float> dose, DoseCurve curve);

/// mean + exp(log_variance / 2) e with e drawn from (seed, *offset); see Reparameterise.
Var reparameterise(Tape&, Var mean, Var log_variance, VectorView<const std::uint64_t> offset, std::uint64_t seed);
/// KL(N(mean, exp(log_variance)) || N(prior_mean, exp(prior_log_variance))) of each row; prior_log_variance [1, width].
VectorView<float> gaussian_divergence(Tape&, Var mean, Var log_variance, Var prior_mean, Var prior_log_variance,
                                      VectorView<const float> row_weight);

/// library_size * exp(logits), or * softmax(logits); see LibraryRate.
Var library_rate(Tape&, Var logits, VectorView<const float> library_size, bool softmax, float most = 80);
/// Negative log-likelihood of each row's counts; theta [1, genes]. `zero_logit` may be null: no zero inflation.
VectorView<float> count_likelihood(Tape&, const CsrView<float>& counts, Var mean, const Var* zero_logit, Var theta,
                                   VectorView<const float> row_weight);
/// The same of values under a Gaussian, or with `zero_logit` a zero-inflated log-normal; see ValueLikelihood.
/// log_deviation [1, genes].
VectorView<float> value_likelihood(Tape&, const CsrView<float>& values, Var mean, const Var* zero_logit,
                                   Var log_deviation, VectorView<const float> row_weight);
/// Cross-entropy of each row's label; labels outside the classes count as unknown.
VectorView<float> softmax_cross_entropy(Tape&, Var logits, VectorView<const std::int32_t> label,
                                        VectorView<const float> row_weight);

/// Two sets of rows to be made alike: rows first_x ... first_x + n - 1 of x, rows first_y ... + m - 1 of y.
struct Comparison {
  Var x, y;
  std::size_t first_x = 0, n = 0, first_y = 0, m = 0;
  VectorView<const float> gammas;                 // of the RBF kernels
  VectorView<const float> same_x, same_y, cross;  // [n], [m], [n]: what each sum over pairs counts for
};
/// Sums of the kernel over pairs within x, within y and across.
struct ComparisonSums {
  VectorView<float> same_x, same_y, cross;  // [n], [m], [n]
};
/// The loss is same_x . sums.same_x + same_y . sums.same_y + cross . sums.cross: the squared MMD times w with same_x
/// w / (n (n - 1)), same_y w / (m (m - 1)), cross -2 w / (n m).
ComparisonSums compare_sets(Tape&, const Comparison&);

/// Hilbert-Schmidt independence criterion of rows of x and y times *weight; see Independence. Returns it unweighted.
VectorView<float> independence(Tape&, Var x, Var y, float gamma_x, float gamma_y, VectorView<const float> weight);

}  // namespace perturbine::ops

// The list of operations. Each module builds its table from it: an operation listed here without an execute() for one
// of the executors does not link.
#pragma once
#include "kernels/attention/set_attention.h"
#include "kernels/classification/softmax_cross_entropy.h"
#include "kernels/counts/counts.h"
#include "kernels/counts/gaussian_latent.h"
#include "kernels/counts/library_rate.h"
#include "kernels/counts/value_likelihood.h"
#include "kernels/dense/epilogue.h"
#include "kernels/dense/product.h"
#include "kernels/dense/sparse_product.h"
#include "kernels/diffusion/diffusion.h"
#include "kernels/embedding/dose_scale.h"
#include "kernels/embedding/embedding.h"
#include "kernels/normalisation/batch_norm.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/normalisation/layer_norm.h"
#include "kernels/optimisation/adamw.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/random/random.h"
#include "kernels/residual/gated_residual.h"
#include "kernels/residual/residual_block.h"
#include "kernels/similarity/independence.h"
#include "kernels/similarity/pairwise_gradient.h"
#include "kernels/similarity/similarity.h"
#include "kernels/statistics/rank_sum.h"
#include "kernels/statistics/statistics.h"
#include "kernels/transport/ode.h"
#include "kernels/transport/path.h"
#include "kernels/transport/sinkhorn.h"

/// Operations that cuBLASLt or CUB execute on a GPU.
#define PERTURBINE_EACH_LIBRARY_OPERATION(X) \
  X(MatrixProduct<float>)                    \
  X(Linear<float>)                           \
  X(SortKeys<std::int32_t>)                  \
  X(SortColumns<float>)

/// Operations with device code of our own.
#define PERTURBINE_EACH_OWN_OPERATION(X) \
  X(BiasActivation<float>)               \
  X(SparseProduct<float>)                \
  X(BiasActivationBackward<float>)       \
  X(FilmLayerNorm<float>)                \
  X(FilmLayerNorm<bfloat16>)             \
  X(FilmLayerNormBackward<float>)        \
  X(FilmLayerNormBackward<bfloat16>)     \
  X(Combine<float>)                      \
  X(Combine<bfloat16>)                   \
  X(GatherRows<float>)                   \
  X(GatherRows<bfloat16>)                \
  X(Dropout<float>)                      \
  X(Dropout<bfloat16>)                   \
  X(ScaleRows<float>)                    \
  X(ScaleRows<bfloat16>)                 \
  X(Silu<float>)                         \
  X(Silu<bfloat16>)                      \
  X(Sigmoid<float>)                      \
  X(Round<float>)                        \
  X(Advance<std::int32_t>)               \
  X(GlobalNorm<float>)                   \
  X(AdamW<float>)                        \
  X(RandomFill<float>)                   \
  X(RandomWords<std::uint32_t>)          \
  X(TimeEmbedding<float>)                \
  X(TimeEmbeddingBackward<float>)        \
  X(SetEmbedding<float>)                 \
  X(SetEmbedding<bfloat16>)              \
  X(SetEmbeddingBackward<float>)         \
  X(SetEmbeddingBackward<bfloat16>)      \
  X(DoseScale<float>)                    \
  X(DoseScaleBackward<float>)            \
  X(DiffusionNoise<float>)               \
  X(DiffusionNoise<bfloat16>)            \
  X(DiffusionLoss<float>)                \
  X(DiffusionLoss<bfloat16>)             \
  X(Denoise<float>)                      \
  X(Denoise<bfloat16>)                   \
  X(ReverseStep<float>)                  \
  X(ReverseStep<bfloat16>)               \
  X(Guidance<float>)                     \
  X(Guidance<bfloat16>)                  \
  X(BatchNorm<float>)                    \
  X(BatchNorm<bfloat16>)                 \
  X(BatchNormBackward<float>)            \
  X(BatchNormBackward<bfloat16>)         \
  X(BatchNormInference<float>)           \
  X(BatchNormInference<bfloat16>)        \
  X(LayerNorm<float>)                    \
  X(LayerNorm<bfloat16>)                 \
  X(LayerNormBackward<float>)            \
  X(LayerNormBackward<bfloat16>)         \
  X(GatedResidual<float>)                \
  X(GatedResidual<bfloat16>)             \
  X(GatedResidualBackward<float>)        \
  X(GatedResidualBackward<bfloat16>)     \
  X(ResidualBlock<float>)                \
  X(SetAttention<float>)                 \
  X(SetAttention<bfloat16>)              \
  X(SetAttentionBackward<float>)         \
  X(SetAttentionBackward<bfloat16>)      \
  X(LogNormalise<float>)                 \
  X(CountLikelihood<float>)              \
  X(SampleCounts<float>)                 \
  X(LibraryRate<float>)                  \
  X(LibraryRateBackward<float>)          \
  X(ValueLikelihood<float>)              \
  X(Reparameterise<float>)               \
  X(GaussianDivergence<float>)           \
  X(SoftmaxCrossEntropy<float>)          \
  X(PairwiseSum<float>)                  \
  X(PairwiseSumBackward<float>)          \
  X(Independence<float>)                 \
  X(IndependenceBackward<float>)         \
  X(ColumnMoments<float>)                \
  X(CompareSorted<float>)                \
  X(RankSum<float>)                      \
  X(Quantiles<float>)                    \
  X(PairwiseCost<float>)                 \
  X(SinkhornHalf<float>)                 \
  X(Sinkhorn<float>)                     \
  X(SamplePlan<float>)                   \
  X(PathInterpolation<float>)            \
  X(GaussianVelocity<float>)             \
  X(SquaredErrorLoss<float>)             \
  X(OdeStage<float>)                     \
  X(OdeError<float>)                     \
  X(TraceEstimate<float>)

#define PERTURBINE_EACH_OPERATION(X)   \
  PERTURBINE_EACH_LIBRARY_OPERATION(X) \
  PERTURBINE_EACH_OWN_OPERATION(X)

// The list of operations. Each module builds its table from it: an operation listed here without an execute() for one of
// the executors does not link.
#pragma once
#include "kernels/normalisation/film_layer_norm.h"

#define PERTURBINE_EACH_OPERATION(X)   \
  X(FilmLayerNorm<float>)              \
  X(FilmLayerNorm<bfloat16>)           \
  X(FilmLayerNormBackward<float>)      \
  X(FilmLayerNormBackward<bfloat16>)

/// Operations that cuBLASLt or CUB execute on a GPU.
#define PERTURBINE_EACH_LIBRARY_OPERATION(X)

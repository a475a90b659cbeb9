// One function per study, in the folder of its name.
#pragma once
#include "bench/studies/study.h"

namespace perturbine::studies {
Study film_layer_norm();
Study adamw();
Study count_likelihood();
Study noising();
Study pairwise_sum();
Study sinkhorn_half();
Study sinkhorn();
Study products();
Study residual();
Study residual_block();
Study sparse_first_layer();
Study embedding_gradient();
Study determinism();
}  // namespace perturbine::studies

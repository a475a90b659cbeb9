// The list of studies.
#include "bench/studies/studies.h"

namespace perturbine::studies {

const std::vector<Study>& all_studies() {
  static const std::vector<Study> list{film_layer_norm(), adamw(),          count_likelihood(),   noising(),
                                       pairwise_sum(),    sinkhorn_half(),  sinkhorn(),           products(),
                                       residual(),        residual_block(), sparse_first_layer(), embedding_gradient(),
                                       determinism()};
  return list;
}

}  // namespace perturbine::studies

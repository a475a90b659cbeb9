#include "bench/studies/studies.h"

namespace perturbine::studies {

Study residual_block() {
  return {
      "residual_block",
      "A block of the score network while sampling, bf16 products: the operations of a training step, or one?",
      {{"residual_block.film_rows_1", "f32", {400, 512}, {{71, 128}, {29, 96}}},
       {"residual_block.film_rows_1", "f32", {4096, 512}, {}}},
      {{"composed", true, "layer norm, rounding, product with bias and SiLU, rounding, product with bias and residual",
        [](Cost least) { return least.bytes *= 4, least; }},
       {"shipped", true, "tiles of at most 64 rows through all of it, so that what lies between stays in the cache"},
       {"shipped", false, "16 rows a block through tensor cores; what lies between stays in shared memory"}},
      "On the CPU about nothing: both are their two products. It is written for a GPU, where it is one launch in place "
      "of "
      "five and nothing between them goes to memory; whether reading the weights anew for every 16 rows costs more "
      "than "
      "that saves is to be measured there.",
  };
}

}  // namespace perturbine::studies

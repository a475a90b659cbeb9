#include "bench/studies/studies.h"

namespace perturbine::studies {

Study sinkhorn_half() {
  return {
      "sinkhorn_half",
      "Half an iteration of log-domain Sinkhorn over the rows of 256 x 256 costs: one walk over a row or two?",
      {{"sinkhorn_half.rows", "f32", {256, 256}, {{71, 229}, {29, 541}, {64, 1}}}},
      {{"element_by_element", true, "largest term, then the sum, one element at a time"},
       {"one_walk", true, "the sum is rescaled whenever a larger term comes, a vector of partial sums"},
       {"shipped", true, "two walks, vectors; what does not depend on the row is made once"},
       {"shipped", false, "a block a row, one walk with a running largest term"}},
      "The matrix lies in the second cache: a second walk is nearly free, while one walk pays for one more "
      "exponential at each element. The exponentials are the time, so they must be vector code.",
  };
}

}  // namespace perturbine::studies

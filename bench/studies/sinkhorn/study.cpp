#include "bench/studies/studies.h"

namespace perturbine::studies {

Study sinkhorn() {
  return {
      "sinkhorn",
      "A hundred Sinkhorn iterations between 256 and 256 points: an exponential for every pair, or a product?",
      {{"sinkhorn.100", "f32", {256, 256}, {{29, 65}, {16, 7}}}},
      {{"element_by_element", true, "log domain: an exponential a pair and half, one element at a time"},
       {"halves", true, "log domain, vectors: what an iteration is in `kernels/` where nothing else is safe"},
       {"two_products", true, "exp(-cost / epsilon) once, then u = a / (K v) and v = b / (K' u): two walks over K"},
       {"shipped", true,
        "one walk: a row's sum gives its u, which is added to the column sums while the row is in the first cache; K "
        "about potentials that are nearly right"},
       {"launch_a_half", false, "log domain, a launch a half; costs from global memory"},
       {"shipped", false, "log domain, one launch: eight blocks of a cluster hold the costs in their shared memory"}},
      "Products in place of exponentials are worth a factor of five: an iteration is then a walk over a matrix that "
      "lies in the second cache. A second walk costs nothing there. exp(-cost / epsilon) about potentials of zero is "
      "too small for a float once costs exceed 87 epsilon, which is why the log domain exists; about potentials that a "
      "first iteration in the log domain has made the matrix is the plan, and what a float cannot hold of it does not "
      "matter. That first iteration and the second matrix of exponentials are the tenth that safety costs.",
  };
}

}  // namespace perturbine::studies

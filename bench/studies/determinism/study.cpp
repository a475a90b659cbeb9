#include "bench/studies/studies.h"

namespace perturbine::studies {

Study determinism() {
  return {
      "determinism",
      "The gradient of a bias, sums over the rows of 4096 x 512: what does one fixed order of additions cost?",
      {{"bias_activation_backward.none", "f32", {4096, 512}, {{71, 229, 33}, {131, 515, 64}}}},
      {{"one_thread", true, "row after row: one order, and nothing beside it"},
       {"atomic_elements", true, "every element an atomic addition: other bits at every run"},
       {"atomic_blocks", true, "sums of 64 rows by one task, then atomic additions: other bits at every run"},
       {"shipped", true, "sums of 64 rows by one task, then those in order: the same bits on any number of threads"},
       {"atomic_blocks", false, "sums of 64 rows by one block, then atomic additions: other bits at every run"},
       {"shipped", false, "sums of 64 rows by one block, then those in order"}},
      "Nothing: the fixed order is the fastest. Sums of 64 rows are independent and become vector code; adding "
      "them up in order is a sixty-fourth of the work, while atomic additions of them cost more than they save and of "
      "single elements are beyond use. What one order costs is memory, a row of sums for every 64 rows.",
  };
}

}  // namespace perturbine::studies

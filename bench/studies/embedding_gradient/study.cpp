#include "bench/studies/studies.h"

namespace perturbine::studies {

Study embedding_gradient() {
  return {
      "embedding_gradient",
      "The gradient of a table of embeddings: rows added where they fall, or sorted first?",
      {{"set_embedding_backward", "f32", {4096, 512, 5000}, {{71, 229, 11}, {29, 541, 50}, {130, 1, 7}}},
       {"sort_keys", "f32", {100000}, {{1}, {1000}, {4097}}}},
      {{"scatter", true, "one thread: the table set to zero, then every member's row added"},
       {"atomics", true, "the same by all threads, element by element with atomic additions: other bits at every run"},
       {"comparisons", true, "positions sorted by comparing the keys they point to"},
       {"shipped", true,
        "gradient: one task owns an entry of the table and adds its members in order; sort: by digits of 8 bits, those "
        "left out that all keys share"},
       {"atomics", false, "a block a member, atomic additions: other bits at every run"},
       {"shipped", false, "a block an entry, which finds its members by binary search; the sort is CUB's"}},
      "Atomic additions have no vector form: on a processor they cost fifteen times the sorted sums, and their "
      "result is another at every run. Sorted, each row of the table is written once, by one task, and the list says "
      "which row to fetch next. The sort itself is four times faster by digits than by comparisons.",
  };
}

}  // namespace perturbine::studies

#include "bench/studies/studies.h"

namespace perturbine::studies {

Study film_layer_norm() {
  // y's lines are read before they are written, unless stores go past the caches: five matrices instead of four.
  const Prediction read_before_write = [](Cost least) { return least.bytes *= 1.25, least; };
  return {
      "film_layer_norm",
      "How often must a row be read, and how should the result be written?",
      {{"film_layer_norm.silu", "f32", {4096, 512}, {{71, 229}, {29, 541}, {3, 512}}}},
      {{"scalar", true, "three loops over a row, one element at a time", read_before_write},
       {"one_pass_statistics", true, "vectors; sum and sum of squares in one loop, in double", read_before_write},
       {"vectorised", true, "vectors; mean, then squared deviations, then the result", read_before_write},
       {"shipped", true, "the same, and rows written past the caches"},
       {"element_loads", false, "a block a row, four bytes a thread and access"},
       {"shipped", false, "a block a row, 16 bytes a thread and access"},
       {"one_warp_a_row", false, "a warp a row, which it keeps in registers: no barrier, one read"}},
      "A row of 512 lies in the first cache: reading it three times costs nothing, and a single loop for both sums, "
      "which needs double to be "
      "right, saves nothing. Vectors matter (the exponential of SiLU above all); after that the kernel is a copy, and "
      "what is left is not to read what "
      "will be overwritten: stores past the caches.",
  };
}

}  // namespace perturbine::studies

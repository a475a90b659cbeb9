#include "bench/studies/studies.h"
#include "kernels/core/cpu.h"

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
       {"shipped", true,
        "sums in four chains, the next row fetched meanwhile; past the caches where the last one is small",
        [](Cost least) { return least.bytes *= least.bytes > streaming_bytes() ? 1 : 1.25, least; }},
       {"element_loads", false, "a block a row, four bytes a thread and access"},
       {"shipped", false, "a block a row, 16 bytes a thread and access"},
       {"one_warp_a_row", false, "a warp a row, which it keeps in registers: no barrier, one read"}},
      "Vectors make it four times faster. One loop for both sums saves nothing: the row lies in the first cache, "
      "and the sum must be double to be right. What is left is waiting: four arrays end a row every 2 KiB, and what "
      "follows a stream of addresses starts anew each time. Asking for the next row's lines while this one is "
      "computed, and four chains of additions instead of one, is close to a third of the time. Stores past the caches "
      "pay "
      "where the last cache is smaller than the data and cost as much where it is larger, so the kernel asks the "
      "system for its size.",
  };
}

}  // namespace perturbine::studies

#include "bench/studies/studies.h"

namespace perturbine::studies {

Study adamw() {
  return {
      "adamw",
      "What does it cost to write the optimiser as the formula is written, a line at a time?",
      {{"adamw", "f32", {9140000}, {{1}, {71 * 229}, {4096}, {12289}}}},
      {{"a_pass_a_line", true,
        "gradient, both moments, value and average: a pass over memory each, as tensor libraries do",
        // Reads 3 + writes 5 of the gradient's, moments', value's and average's lines: 2+1, 2+1, 2+1, 3+1, 2+1 = 16
        // of 9.
        [](Cost least) { return least.bytes *= 16.0 / 9, least; }},
       {"average_apart", true, "one pass for the step, another for the weight average",
        [](Cost least) { return least.bytes *= 10.0 / 9, least; }},
       {"shipped", true, "one pass over the flat buffer, all parameters at once"},
       {"shipped", false, "one pass over the flat buffer, a thread an element"},
       {"four_a_thread", false, "the same, 16 bytes a thread and access"}},
      "Nine streams of memory are all there is to it. Sixteen cost more than 16/9, for the gradient of its own is "
      "one more array to keep; a pass for the average alone costs its ninth and more. The shipped kernel is a copy. "
      "No cleverness in the arithmetic is worth a stream.",
  };
}

}  // namespace perturbine::studies

#include "bench/studies/studies.h"

namespace perturbine::studies {

Study residual() {
  // Beside the product's: what a pass over a [rows, out] array reads and writes. 256 x 512 floats.
  constexpr double array = 256.0 * 512 * sizeof(float);
  return {
      "residual",
      "A layer of a residual block, y = silu(x W' + b) + r: passes over the product's result, or in its tiles?",
      {{"linear.silu.residual", "f32", {256, 512, 512}, {{71, 229, 33}, {29, 541, 130}, {131, 515, 64}}}},
      {{"separate", true, "the product, then bias, activation and residual, a pass each",
        [](Cost least) {
          least.bytes += 5 * array;
          return least;
        }},
       {"pass_after", true, "the product, then one pass for the rest",
        [](Cost least) {
          least.bytes += 2 * array;
          return least;
        }},
       {"shipped", true, "bias, activation and residual on each tile of the product while it is in the cache"},
       {"shipped", false, "bias in cuBLASLt's epilogue, the rest in one pass"}},
      "Nothing that can be measured: three passes over arrays that lie in the second cache are small beside the "
      "product. What is worth having is one call in place of four, and that nothing is read twice where the arrays "
      "are larger than the caches.",
  };
}

}  // namespace perturbine::studies

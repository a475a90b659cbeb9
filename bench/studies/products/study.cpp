#include "bench/studies/studies.h"

namespace perturbine::studies {

Study products() {
  return {
      "products",
      "Matrix products of the score network: our own loops against the library, and f32 against bf16?",
      {{"matrix_product.nt", "f32", {256, 512, 512}, {{71, 229, 33}, {131, 515, 64}}},
       {"matrix_product.nt.bf16_math", "f32", {256, 512, 512}, {{71, 229, 33}, {131, 515, 64}}},
       {"matrix_product.nt", "f32", {256, 2000, 512}, {}},
       {"matrix_product.nt.bf16_math", "f32", {256, 2000, 512}, {}}},
      {{"dot_products", true, "a dot product for every element, vectorised"},
       {"tiled", true, "32 columns of b packed side by side, six rows at a time in registers"},
       {"shipped", true, "oneDNN, cut into tiles that only the shape decides"},
       {"shipped", false, "cuBLASLt"}},
      "Thirty-two columns side by side and six rows in registers bring plain C++ to two thirds of the library and "
      "more, which blocks for the caches too; this is where a library is worth having. Its bf16 products ran 1.6 times "
      "as fast as f32 on a processor with AMX. One with AVX-512's bf16 instructions alone starts them a quarter as "
      "often "
      "as fused multiply-adds (kernel_bench --benchmark_filter=instructions), half the speed of f32: there the kernel "
      "multiplies the rounded numbers as floats. Rounding inputs at every use costs more than it brings.",
  };
}

}  // namespace perturbine::studies

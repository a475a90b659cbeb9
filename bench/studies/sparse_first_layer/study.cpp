#include "bench/studies/studies.h"

namespace perturbine::studies {

Study sparse_first_layer() {
  const std::vector<cases::Shape> checked{{71, 229, 330}, {29, 541, 130}, {130, 1, 50}};
  // What making the matrix dense costs: 256 x 2000 floats written and read, and the product of all of them.
  const Prediction dense = [](Cost least) {
    constexpr double elements = 256.0 * 2000;
    least.bytes += 2 * elements * sizeof(float);
    least.flops = 2 * elements * 512;
    return least;
  };
  return {
      "sparse_first_layer",
      "The first layer on counts, 2000 genes to 512: at which share of non-zeros is a dense product better?",
      {{"sparse_product.filled_4", "f32", {256, 512, 2000}, checked},
       {"sparse_product.filled_10", "f32", {256, 512, 2000}, checked},
       {"sparse_product.filled_30", "f32", {256, 512, 2000}, checked}},
      {{"densify", true, "zeros filled in, then the library's product", dense},
       {"row_at_a_time", true, "every non-zero adds its row of the weights to the result's row in memory"},
       {"shipped", true,
        "128 columns at a time, whose sums are registers; weights fetched ahead, and packed where they are used often"},
       {"densify", false, "zeros filled in, then a thread for every element", dense},
       {"shipped", false, "a block a row and 128 columns, the row's numbers in shared memory"}},
      "Ten times fewer multiplications are not ten times less time: the dense product reads its operands in "
      "order and from registers, the sparse one fetches a row of weights for each non-zero. At one non-zero in "
      "twenty-five it wins by more than a factor of two, at one in three it draws level. Asking for the rows ahead, "
      "which the list of columns allows, and packing the weights where each row is used often, are a third and a half "
      "of the time.",
  };
}

}  // namespace perturbine::studies

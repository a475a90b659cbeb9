#include "bench/studies/studies.h"

namespace perturbine::studies {

Study pairwise_sum() {
  return {
      "pairwise_sum",
      "Sums over all pairs of points (energy distance, MMD): must the matrix of distances exist?",
      {{"pairwise_sum.euclidean", "f32", {2000, 2000, 50}, {{71, 71, 10}, {130, 130, 50}, {29, 101, 7}}},
       {"pairwise_sum.euclidean.same", "f32", {2000, 2000, 50}, {{71, 71, 10}, {130, 130, 50}}},
       {"pairwise_sum.rbf", "f32", {2000, 2000, 50}, {{71, 71, 10}, {130, 130, 50}, {29, 101, 7}}}},
      {{"a_pair_at_a_time", true, "for every pair a loop over the coordinates"},
       {"materialised", true, "tiled distances written to a matrix, then a pass over it",
        [](Cost least) { return least.bytes += 3 * 4 * 4e6, least; }},
       {"as_a_product", true, "|x|^2 + |y|^2 - 2 x y by the library's matrix product, a block of rows at a time"},
       {"one_row", true, "64 points side by side, one row at a time; nothing written"},
       {"four_rows", true, "the same, four rows at a time: every point is loaded once for four"},
       {"shipped", true,
        "x y in registers, differences only where digits would be lost; a pair within one set counts for both"},
       {"shipped", false, "a block for each x, which lies in shared memory; a thread walks its y"}},
      "Not to write the matrix saves nothing while it lies in a cache. What counts is how often a point is loaded: "
      "one row at a time a load of y stands beside every subtraction, four rows share it. Multiplied out, |x|^2 + "
      "|y|^2 - 2 x y needs half of the operations; it loses digits for near pairs, so rows where any distance comes "
      "out small are made from differences after all (a case of near pairs holds it to that), and the library's "
      "form walks every block twice. Within one set each pair is computed once and counts for both. With five "
      "exponentials a pair (RBF) those are the time.",
  };
}

}  // namespace perturbine::studies

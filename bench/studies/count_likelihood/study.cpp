#include "bench/studies/studies.h"

namespace perturbine::studies {

Study count_likelihood() {
  return {
      "count_likelihood",
      "Zero-inflated negative binomial, value and gradients: what do nine zeros in ten allow to leave out?",
      {{"count_likelihood.zinb.gradient", "f32", {256, 2000}, {{71, 229}, {29, 541}}}},
      {{"dense_gamma", true, "every count, zeros too, by log-gamma and digamma in double, one at a time"},
       {"sparse_gamma", true, "zeros in closed form, vectorised; non-zeros by log-gamma in double"},
       {"sparse_products", true, "non-zeros by products of (theta + i), one at a time, in float"},
       {"shipped", true,
        "the same in registers of numbers, non-zeros of a kind side by side; a quotient in three instructions"},
       {"shipped", false, "a block a row, a thread looks its genes up among the non-zeros"}},
      "A zero needs no gamma function: -theta log(1 + mean / theta), vector code over the whole row, and that is "
      "most of the gain. Products instead of gamma functions make float enough for small counts. Written for registers "
      "(lanes.h), with logarithms and exponentials from tables and reciprocals by Newton's step, it takes a fourth of "
      "the time. A row's non-zeros are sorted by kind first (1; 2, 3; to 7; to 32; above), so that sixteen take one "
      "formula: packing a register of a kind before the next one cost nearly as much as computing it, for a load that "
      "waits "
      "for sixteen single stores. What is left is arithmetic on zeros, about 105 instructions for sixteen of them: 25 "
      "ns "
      "where two a cycle allow 19; memory is not the limit.",
  };
}

}  // namespace perturbine::studies

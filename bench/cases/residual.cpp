#include "kernels/residual/residual_block.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {

void residual(CaseList& list) {
  for (const std::size_t rows_of_film : {1, 4, 0}) {  // 0: every row its own
    auto block = [=]<class T>(Operands<T>& o, const Shape& s) {
      using Weight = typename ResidualBlock<T>::Weight;
      const std::size_t width = s[1], film = rows_of_film == 0 ? s[0] : s[0] % rows_of_film == 0 ? rows_of_film : 1;
      // Weights that bfloat16 holds, so that the oracle has the same; what is rounded on the way is within 1e-2.
      const double spread = 1 / std::sqrt(static_cast<double>(width));
      const Fill weight = [=](double, double z) { return static_cast<double>(bfloat16(spread * z)); };
      return ResidualBlock<T>{o.input("x", s[0], width),
                              o.input("scale", film, width, normal(.3)),
                              o.input("shift", film, width),
                              o.template input_matrix<Weight>("w1", width, width, weight),
                              o.template input_matrix<Weight>("w2", width, width, weight),
                              o.template input_vector<accumulator_t<T>>("b1", width),
                              o.template input_vector<accumulator_t<T>>("b2", width),
                              o.output("y", s[0], width)};
    };
    const std::string variant = rows_of_film == 0 ? "film_row_each" : text("film_rows_", rows_of_film);
    const Tolerance rounded{1e-2, 1e-2, 1e-2};
    list.add(FloatOnly{}, "residual_block", {{71, 128}, {29, 96}, {16, 64}, {1, 33}, {33, 7}, {4, 161}}, block,
             {variant, rounded});
    if (rows_of_film != 1) continue;
    list.add(FloatOnly{}, "residual_block", {{2117, 33}}, block, {variant, rounded});  // where a block takes 32 rows
    list.add(FloatOnly{}, "residual_block", {{400, 512}, {4096, 512}}, block, {variant, rounded, false, true});
  }
}

}  // namespace perturbine::cases

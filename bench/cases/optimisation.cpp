#include "kernels/optimisation/adamw.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {
namespace {
// Segments of uneven length that cover the buffer; the second one is not active.
std::vector<double> begins(std::size_t size) {
  const double n = static_cast<double>(size);
  return {0, std::floor(n * .3), std::floor(n * .37), std::floor(n * .9), n};
}
}  // namespace

void optimisation(CaseList& list) {
  const std::vector<Shape> shapes{{1}, {71 * 229}, {29 * 541}, {4096}, {12289}};
  list.add(FloatOnly{}, "global_norm", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return GlobalNorm<T>{o.template input_vector<T>("gradient", s[0]),
                         o.template input_values<std::int32_t>("segment_begin", begins(s[0])),
                         o.template input_values<std::int32_t>("active", {1, 0, 1, 1}),
                         o.template output_vector<T>("norm", 1)};
  });
  for (const bool copy : {false, true}) {
    auto build = [=]<class T>(Operands<T>& o, const Shape& s) {
      AdamW<T> op{o.template in_out_vector<T>("value", s[0]),
                  o.template in_out_vector<T>("first_moment", s[0], normal(.1)),
                  o.template in_out_vector<T>("second_moment", s[0], uniform(1e-4, 1e-2)),
                  o.template in_out_vector<T>("average", s[0]),
                  o.template input_vector<T>("gradient", s[0], normal(.1)),
                  {},
                  o.template input_values<std::int32_t>("segment_begin", begins(s[0])),
                  o.template input_values<std::int32_t>("active", {1, 0, 1, 1}),
                  o.template input_vector<T>("segment_rate", 4, uniform(.5, 2)),
                  o.template input_vector<T>("decay", 4, uniform(0, .1)),
                  o.template input_vector<T>("penalty", 4, uniform(0, .1)),
                  o.template input_vector<T>("step", AdamWStep::size, uniform(.01, .9)),
                  o.template input_vector<T>("norm", 1, uniform(2, 3))};
      if (copy) op.copy = o.template in_out_vector<bfloat16>("copy", s[0]);
      return op;
    };
    CaseOptions options{copy ? "copy" : "", {5e-6, 1e-2, copy ? 4e-3 : 1e-6}};
    list.add(FloatOnly{}, "adamw", shapes, build, options);
    if (!copy) list.add(FloatOnly{}, "adamw", {{9140000}}, build, {"", {}, false, true});
  }
}

}  // namespace perturbine::cases

#include "kernels/random/random.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {

void random(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {64, 1}, {3, 1000}};
  for (const auto& [variant, distribution] : {std::pair{"uniform", Distribution::uniform},
                                              {"normal", Distribution::normal},
                                              {"bernoulli", Distribution::bernoulli}}) {
    const Distribution d = distribution;
    // Normal numbers near zero carry the absolute error of the sine: judged against 1, their deviation.
    list.add(FloatOnly{}, "random_fill", shapes,
             [d]<class T>(Operands<T>& o, const Shape& s) {
               return RandomFill<T>{o.output("y", s[0], s[1]),
                                    o.template input_values<std::uint64_t>("offset", {7}),
                                    d,
                                    0x123456789abcdefull,
                                    11,
                                    accumulator_t<T>(.3)};
             },
             {variant});
  }
  list.add(FloatOnly{}, "random_words", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    using Word = std::conditional_t<std::is_same_v<T, double>, double, std::uint32_t>;
    return RandomWords<Word>{o.template output_words<Word>("y", s[0], s[1]),
                             o.template input_values<std::uint64_t>("offset", {7}), 99};
  });
}

}  // namespace perturbine::cases

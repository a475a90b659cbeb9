#include "bench/cases/cases.h"
#include "kernels/attention/set_attention.h"

namespace perturbine::cases {

void attention(CaseList& list) {
  const std::vector<Shape> shapes{
      {13, 10, 7, 2}, {5, 64, 33, 4}, {1, 6, 1, 1}, {9, 33, 40, 3}};  // rows, width, set, heads
  auto lengths = [](const Shape& s) {
    std::vector<double> v(s[0]);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = i == 1 ? 0.0 : static_cast<double>(s[2] - i * 5 % s[2]);
    return v;
  };
  list.add(FloatAndBfloat16{}, "set_attention", shapes, [=]<class T>(Operands<T>& o, const Shape& s) {
    return SetAttention<T>{o.input("query", s[0], s[1]),
                           o.input("keys", s[0] * s[2], s[1]),
                           o.input("values", s[0] * s[2], s[1]),
                           o.template input_values<std::int32_t>("length", lengths(s)),
                           o.output("y", s[0], s[1]),
                           o.output_matrix("weights", s[0], s[3] * s[2]),
                           s[3]};
  });
  list.add(FloatAndBfloat16{}, "set_attention_backward", shapes, [=]<class T>(Operands<T>& o, const Shape& s) {
    return SetAttentionBackward<T>{o.input("query", s[0], s[1]),
                                   o.input("keys", s[0] * s[2], s[1]),
                                   o.input("values", s[0] * s[2], s[1]),
                                   o.input("dy", s[0], s[1]),
                                   o.template input_values<std::int32_t>("length", lengths(s)),
                                   o.input_matrix("weights", s[0], s[3] * s[2], uniform(0, .1)),
                                   o.output("dquery", s[0], s[1]),
                                   o.output("dkeys", s[0] * s[2], s[1]),
                                   o.output("dvalues", s[0] * s[2], s[1]),
                                   s[3]};
  });
  list.gradient("set_attention", "set_attention_backward");
}

}  // namespace perturbine::cases

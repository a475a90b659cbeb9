#include "kernels/pointwise/pointwise.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {

void pointwise(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {64, 1}, {5, 130}};
  list.add(FloatAndBfloat16{}, "combine", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Combine<T>{o.input("a", s[0], s[1]), o.input("b", s[0], s[1]), o.output("y", s[0], s[1]), .5f, -2};
  });
  list.add(FloatAndBfloat16{}, "combine", {{7, 33}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return Combine<T>{o.input("a", s[0], s[1]), {}, o.output("y", s[0], s[1]), 3, 0};
           },
           {"one"});
  list.add(FloatAndBfloat16{}, "gather_rows", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return GatherRows<T>{
        o.input("table", 11, s[1]),
        o.template input_vector<std::int32_t>("index", s[0], [](double u, double) { return std::floor(u * 12.9 - 1); }),
        o.output("y", s[0], s[1])};
  });
  list.add(FloatAndBfloat16{}, "gather_rows", shapes,
           []<class T>(Operands<T>& o, const Shape& s) {
             auto some = [&](const char* name, std::size_t n, double entries) {
               return o.template input_vector<std::int32_t>(
                   name, n, [=](double u, double) { return std::floor(u * (entries + 1.9) - 1); });
             };
             const auto rows = some("index", s[0], 11), columns = some("columns", s[1], 37);
             return GatherRows<T>{o.input("table", 11, 37), rows, o.output("y", s[0], s[1]), columns};
           },
           {"columns"});
  list.add(FloatOnly{}, "advance", {{1}, {400}}, []<class T>(Operands<T>& o, const Shape& s) {
    using Counter = std::conditional_t<std::is_same_v<T, double>, double, std::int32_t>;
    return Advance<Counter>{
        o.template in_out_vector<Counter>("counter", s[0], [](double u, double) { return std::floor(u * 50); })};
  });
  list.add(FloatAndBfloat16{}, "dropout", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Dropout<T>{o.input("x", s[0], s[1]),
                      o.output("y", s[0], s[1]),
                      o.template input_values<std::uint64_t>("offset", {41}),
                      accumulator_t<T>(.25),
                      1234,
                      5};
  });
  list.add(FloatAndBfloat16{}, "scale_rows", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return ScaleRows<T>{o.input("x", s[0], s[1]), o.input_vector("factor", s[0]), o.output("y", s[0], s[1])};
  });
  list.add(FloatAndBfloat16{}, "silu", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Silu<T>{o.input("x", s[0], s[1], normal(3)), {}, o.output("y", s[0], s[1])};
  });
  list.add(FloatAndBfloat16{}, "silu", shapes,
           []<class T>(Operands<T>& o, const Shape& s) {
             return Silu<T>{o.input("x", s[0], s[1], normal(3)), o.input("dy", s[0], s[1]), o.output("dx", s[0], s[1])};
           },
           {"backward"});
  list.gradient("silu", "silu.backward");
  list.add(FloatOnly{}, "sigmoid", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Sigmoid<T>{o.input("x", s[0], s[1], normal(3)), {}, o.output("y", s[0], s[1])};
  });
  list.add(
      FloatOnly{}, "sigmoid", shapes,
      []<class T>(Operands<T>& o, const Shape& s) {
        return Sigmoid<T>{o.input("x", s[0], s[1], normal(3)), o.input("dy", s[0], s[1]), o.output("dx", s[0], s[1])};
      },
      {"backward"});
  list.gradient("sigmoid", "sigmoid.backward");
  list.add(FloatOnly{}, "round", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Round<T>{o.input("x", s[0], s[1]), o.template output_matrix<bfloat16>("y", s[0], s[1])};
  });
}

}  // namespace perturbine::cases

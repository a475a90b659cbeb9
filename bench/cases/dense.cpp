#include "bench/cases/cases.h"
#include "kernels/dense/epilogue.h"

namespace perturbine::cases {

void dense(CaseList& list) {
  // rows x columns x inner
  const std::vector<Shape> shapes{{71, 229, 33}, {29, 541, 130}, {1, 64, 7}, {130, 1, 5}, {131, 515, 64}};
  const std::vector<Shape> large{{256, 512, 512}, {256, 2000, 512}};
  // Numbers that bfloat16 holds exactly: rounding the inputs of a product then changes nothing.
  const Fill exact = [](double, double z) { return static_cast<double>(bfloat16(z)); };
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const bool accumulate : {false, true}) {
        auto build = [=](Math math) {
          return [=]<class T>(Operands<T>& o, const Shape& s) {
            return MatrixProduct<T>{ta ? o.input("a", s[2], s[0], exact) : o.input("a", s[0], s[2], exact),
                                    tb ? o.input("b", s[1], s[2], exact) : o.input("b", s[2], s[1], exact),
                                    accumulate ? o.in_out("c", s[0], s[1]) : o.output("c", s[0], s[1]),
                                    ta,
                                    tb,
                                    accumulate,
                                    math};
          };
        };
        const std::string variant = std::string(ta ? "t" : "n") + (tb ? "t" : "n") + (accumulate ? ".accumulate" : "");
        list.add(FloatOnly{}, "matrix_product", shapes, build(Math::f32), {variant, {}, true});
        list.add(FloatOnly{}, "matrix_product", shapes, build(Math::bf16), {variant + ".bf16_math", {}, true});
        if (!accumulate && !ta) {
          list.add(FloatOnly{}, "matrix_product", large, build(Math::f32), {variant, {}, true, true});
          list.add(FloatOnly{}, "matrix_product", large, build(Math::bf16), {variant + ".bf16_math", {}, true, true});
        }
      }
  for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu}) {
    const std::string variant = activation == Activation::silu   ? "silu"
                                : activation == Activation::gelu ? "gelu"
                                                                 : "none";
    for (const bool residual : {false, true}) {
      auto linear = [=]<class T>(Operands<T>& o, const Shape& s) {
        return Linear<T>{o.input("x", s[0], s[2]),
                         o.input("weight", s[1], s[2], normal(.2)),
                         o.template input_vector<T>("bias", s[1]),
                         residual ? o.input("residual", s[0], s[1]) : MatrixView<T>{},
                         activation != Activation::none ? o.output("z", s[0], s[1]) : MatrixView<T>{},
                         o.output("y", s[0], s[1]),
                         activation,
                         Math::f32};
      };
      auto bias = [=]<class T>(Operands<T>& o, const Shape& s) {
        return BiasActivation<T>{o.input("product", s[0], s[1]),
                                 o.template input_vector<T>("bias", s[1]),
                                 residual ? o.input("residual", s[0], s[1]) : MatrixView<T>{},
                                 activation != Activation::none ? o.output("z", s[0], s[1]) : MatrixView<T>{},
                                 o.output("y", s[0], s[1]),
                                 activation};
      };
      const std::string full = variant + (residual ? ".residual" : "");
      list.add(FloatOnly{}, "linear", shapes, linear, {full, {}});
      list.add(FloatOnly{}, "bias_activation", shapes, bias, {full});
    }
    for (const bool accumulate : {false, true}) {
      auto backward = [=]<class T>(Operands<T>& o, const Shape& s) {
        const bool active = activation != Activation::none;
        return BiasActivationBackward<T>{
            o.input("dy", s[0], s[1]),
            active ? o.input("z", s[0], s[1]) : MatrixView<T>{},
            active ? o.output("dproduct", s[0], s[1]) : MatrixView<T>{},
            accumulate ? o.template in_out_vector<T>("dbias", s[1]) : o.template output_vector<T>("dbias", s[1]),
            activation,
            accumulate};
      };
      list.add(FloatOnly{}, "bias_activation_backward", shapes, backward,
               {variant + (accumulate ? ".accumulate" : "")});
    }
    list.gradient("bias_activation." + variant, "bias_activation_backward." + variant);
  }
}

}  // namespace perturbine::cases

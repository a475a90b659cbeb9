#include "bench/cases/cases.h"
#include "kernels/dense/epilogue.h"
#include "kernels/dense/sparse_product.h"

namespace perturbine::cases {
namespace {

// About `percent` of a hundred elements are filled, evenly; every eleventh row has none.
template <class T>
CsrView<T> sparse(Operands<T>& o, std::size_t rows, std::size_t columns, std::size_t percent) {
  std::vector<double> offsets{0}, at, values;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns && i % 11 != 5; ++j) {
      const std::size_t mixed = (i * 7919 + j * 104729 + i * j) % 1009;
      if (mixed * 100 >= percent * 1009) continue;
      at.push_back(static_cast<double>(j));
      values.push_back(.25 + static_cast<double>((i * 31 + j * 17) % 13) / 4);
    }
    offsets.push_back(static_cast<double>(at.size()));
  }
  CsrView<T> csr;
  csr.row_offsets = o.template input_values<std::int32_t>("row_offsets", offsets);
  csr.columns = o.template input_values<std::int32_t>("columns", at);
  csr.values = o.template input_values<T>("values", values);
  csr.rows = rows, csr.column_count = columns;
  return csr;
}

void sparse_products(CaseList& list) {
  for (const std::size_t percent : {4, 10, 30}) {
    auto product = [percent]<class T>(Operands<T>& o, const Shape& s) {
      return SparseProduct<T>{sparse(o, s[0], s[2], percent), o.input("b", s[2], s[1]), o.output("c", s[0], s[1])};
    };
    const std::string variant = text("filled_", percent);
    list.add(FloatOnly{}, "sparse_product", {{71, 229, 330}, {29, 541, 130}, {1, 64, 70}, {130, 1, 50}, {7, 130, 900}},
             product, {variant});
    list.add(FloatOnly{}, "sparse_product", {{256, 512, 2000}}, product, {variant, {}, false, true});
  }
}

}  // namespace

void dense(CaseList& list) {
  sparse_products(list);
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
      if (residual && activation == Activation::silu)
        list.add(FloatOnly{}, "linear", {{256, 512, 512}}, linear, {full, {}, false, true});
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
      if (activation == Activation::none && !accumulate)
        list.add(FloatOnly{}, "bias_activation_backward", {{4096, 512}}, backward, {variant, {}, false, true});
    }
    list.gradient("bias_activation." + variant, "bias_activation_backward." + variant);
  }
}

}  // namespace perturbine::cases

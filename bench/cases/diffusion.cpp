#include "kernels/diffusion/diffusion.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {

void diffusion(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {64, 1}};
  const std::vector<Shape> large{{256, 2000}};
  auto noise = []<class T>(Operands<T>& o, const Shape& s) {
    return DiffusionNoise<T>{o.input("x0", s[0], s[1]),
                             o.input_vector("alpha", s[0], uniform(.1, 1)),
                             o.input_vector("sigma", s[0], uniform(.1, 1)),
                             o.template input_values<std::uint64_t>("offset", {3}),
                             o.output("xt", s[0], s[1]),
                             77};
  };
  list.add(FloatAndBfloat16{}, "diffusion_noise", shapes, noise);
  list.add(FloatOnly{}, "diffusion_noise", large, noise, {"", {}, false, true});
  for (const auto& [label, target] :
       {std::pair{"epsilon", Target::epsilon}, {"x0", Target::x0}, {"v", Target::v}, {"score", Target::score}}) {
    const Target t = target;
    auto loss = [t](bool gradient) {
      return [=]<class T>(Operands<T>& o, const Shape& s) {
        return DiffusionLoss<T>{o.input("F", s[0], s[1]),
                                o.input("x0", s[0], s[1]),
                                o.input_vector("alpha", s[0], uniform(.1, 1)),
                                o.input_vector("sigma", s[0], uniform(.1, 1)),
                                o.input_vector("weight", s[0], uniform(.5, 2)),
                                o.input_vector("variance", s[1], uniform(.1, 3)),
                                gradient ? o.input_vector("dloss", s[0]) : VectorView<accumulator_t<T>>{},
                                o.template input_values<std::uint64_t>("offset", {3}),
                                o.output_vector("loss", s[0]),
                                gradient ? o.output("dF", s[0], s[1]) : MatrixView<T>{},
                                t,
                                77,
                                t == Target::x0 || t == Target::score
                                    ? o.input_vector("column_weight", s[1], uniform(.1, 3))
                                    : VectorView<const accumulator_t<T>>{}};
      };
    };
    list.add(FloatAndBfloat16{}, "diffusion_loss", shapes, loss(false), {label});
    list.add(FloatAndBfloat16{}, "diffusion_loss", shapes, loss(true), {std::string(label) + ".gradient"});
    list.gradient(std::string("diffusion_loss.") + label, std::string("diffusion_loss.") + label + ".gradient");
    list.add(FloatAndBfloat16{}, "denoise", shapes,
             [t]<class T>(Operands<T>& o, const Shape& s) {
               return Denoise<T>{o.input("F", s[0], s[1]),
                                 o.input("xt", s[0], s[1]),
                                 o.input_vector("alpha", s[0], uniform(.3, 1)),
                                 o.input_vector("sigma", s[0], uniform(.1, 1)),
                                 o.input_vector("variance", s[1], uniform(.1, 3)),
                                 o.output("estimate", s[0], s[1]),
                                 t};
             },
             {label});
  }
  for (const bool noisy : {false, true}) {
    list.add(FloatAndBfloat16{}, "reverse_step", shapes,
             [noisy]<class T>(Operands<T>& o, const Shape& s) {
               using A = accumulator_t<T>;
               auto coefficients =
                   o.template input_matrix<A>("coefficients", 3, 4, [=](double u, double) { return noisy ? u : 0; });
               return ReverseStep<T>{o.input("x", s[0], s[1]),
                                     o.input("x0", s[0], s[1]),
                                     noisy ? o.input("previous", s[0], s[1]) : MatrixView<T>{},
                                     coefficients,
                                     o.template input_values<std::int32_t>("step", {2}),
                                     o.template input_values<std::uint64_t>("offset", {9}),
                                     o.output("y", s[0], s[1]),
                                     5};
             },
             {noisy ? "noise" : "zero"});
  }
  list.add(FloatAndBfloat16{}, "guidance", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return Guidance<T>{o.input("none", s[0], s[1]), o.input("context", s[0], s[1]), o.input("both", s[0], s[1]),
                       o.output("y", s[0], s[1]),   accumulator_t<T>(1.5),          accumulator_t<T>(2.5)};
  });
}

}  // namespace perturbine::cases

#include "bench/cases/cases.h"
#include "kernels/normalisation/batch_norm.h"
#include "kernels/normalisation/film_layer_norm.h"
#include "kernels/normalisation/layer_norm.h"
#include "kernels/residual/gated_residual.h"

namespace perturbine::cases {

void normalisation(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {5, 1}, {3, 512}};
  for (const bool activate : {true, false}) {
    auto forward = [=]<class T>(Operands<T>& o, const Shape& s) {
      return FilmLayerNorm<T>{o.input("x", s[0], s[1], normal(2, 1)),
                              o.input("scale", s[0], s[1], normal(.5)),
                              o.input("shift", s[0], s[1]),
                              o.output("y", s[0], s[1]),
                              o.output_vector("mean", s[0]),
                              o.output_vector("inverse_deviation", s[0]),
                              activate};
    };
    auto backward = [=]<class T>(Operands<T>& o, const Shape& s, bool accumulate) {
      return FilmLayerNormBackward<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                      o.input("scale", s[0], s[1], normal(.5)),
                                      o.input("shift", s[0], s[1]),
                                      o.input("dy", s[0], s[1]),
                                      o.input_vector("mean", s[0], normal(.1, 1)),
                                      o.input_vector("inverse_deviation", s[0], uniform(.3, .7)),
                                      accumulate ? o.in_out("dx", s[0], s[1]) : o.output("dx", s[0], s[1]),
                                      o.output("dscale", s[0], s[1]),
                                      o.output("dshift", s[0], s[1]),
                                      activate,
                                      accumulate};
    };
    auto storing = [=](auto& o, const Shape& s) { return backward(o, s, false); };
    auto adding = [=](auto& o, const Shape& s) { return backward(o, s, true); };
    const std::string variant = activate ? "silu" : "linear";
    list.add(FloatAndBfloat16{}, "film_layer_norm", shapes, forward, {variant});
    list.add(FloatAndBfloat16{}, "film_layer_norm_backward", shapes, storing, {variant});
    list.add(FloatAndBfloat16{}, "film_layer_norm_backward", {{7, 133}}, adding, {variant + ".accumulate"});
    list.gradient("film_layer_norm." + variant, "film_layer_norm_backward." + variant);
    if (activate) {
      list.add(FloatAndBfloat16{}, "film_layer_norm", {{4096, 512}}, forward, {variant, {}, false, true});
      list.add(FloatAndBfloat16{}, "film_layer_norm_backward", {{4096, 512}}, storing, {variant, {}, false, true});
    }
  }
  // One scale and shift for all rows, and for every four.
  for (const std::size_t sharing : {std::size_t{0}, std::size_t{4}}) {
    const std::string variant = sharing == 0 ? "one_film_row" : "film_rows_of_four";
    const std::vector<Shape> shared =
        sharing == 0 ? std::vector<Shape>{{29, 541}, {71, 64}} : std::vector<Shape>{{28, 541}, {72, 64}};
    const auto film_rows = [=](const Shape& s) { return sharing == 0 ? 1 : s[0] / sharing; };
    list.add(FloatAndBfloat16{}, "film_layer_norm", shared,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return FilmLayerNorm<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                       o.input("scale", film_rows(s), s[1], normal(.5)),
                                       o.input("shift", film_rows(s), s[1]),
                                       o.output("y", s[0], s[1]),
                                       o.output_vector("mean", s[0]),
                                       o.output_vector("inverse_deviation", s[0]),
                                       false};
             },
             {variant});
    list.add(FloatAndBfloat16{}, "film_layer_norm_backward", shared,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return FilmLayerNormBackward<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                               o.input("scale", film_rows(s), s[1], normal(.5)),
                                               o.input("shift", film_rows(s), s[1]),
                                               o.input("dy", s[0], s[1]),
                                               o.input_vector("mean", s[0], normal(.1, 1)),
                                               o.input_vector("inverse_deviation", s[0], uniform(.3, .7)),
                                               o.output("dx", s[0], s[1]),
                                               o.output("dscale", s[0], s[1]),
                                               o.output("dshift", s[0], s[1]),
                                               true,
                                               false};
             },
             {variant});
  }
  list.add(FloatAndBfloat16{}, "layer_norm", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return LayerNorm<T>{o.input("x", s[0], s[1], normal(2, 1)), o.input_vector("gain", s[1]),
                        o.input_vector("bias", s[1]),           o.output("y", s[0], s[1]),
                        o.output_vector("mean", s[0]),          o.output_vector("inverse_deviation", s[0])};
  });
  for (const bool accumulate : {false, true}) {
    list.add(FloatAndBfloat16{}, "layer_norm_backward", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return LayerNormBackward<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                           o.input("dy", s[0], s[1]),
                                           o.input_vector("gain", s[1]),
                                           o.input_vector("mean", s[0], normal(.1, 1)),
                                           o.input_vector("inverse_deviation", s[0], uniform(.3, .7)),
                                           accumulate ? o.in_out("dx", s[0], s[1]) : o.output("dx", s[0], s[1]),
                                           o.output_vector("dgain", s[1]),
                                           o.output_vector("dbias", s[1]),
                                           accumulate};
             },
             {accumulate ? "accumulate" : ""});
  }
  list.gradient("layer_norm", "layer_norm_backward");
  for (const double slope : {1.0, .01, 0.0}) {
    const std::string variant = slope == 1 ? "" : slope == 0 ? "relu" : "leaky";
    const std::vector<Shape> batches{{71, 229}, {29, 541}, {2, 64}, {5, 1}, {3, 512}};
    auto forward = [=]<class T>(Operands<T>& o, const Shape& s, bool running) {
      BatchNorm<T> op{o.input("x", s[0], s[1], normal(2, 1)),
                      o.input_vector("gain", s[1]),
                      o.input_vector("bias", s[1]),
                      o.output("y", s[0], s[1]),
                      o.output_vector("mean", s[1]),
                      o.output_vector("inverse_deviation", s[1]),
                      {},
                      {}};
      if (running) {
        op.running_mean = o.in_out_vector("running_mean", s[1]);
        op.running_variance = o.in_out_vector("running_variance", s[1], uniform(.5, 2));
      }
      op.slope = accumulator_t<T>(slope);
      return op;
    };
    list.add(FloatAndBfloat16{}, "batch_norm", batches, [=](auto& o, const Shape& s) { return forward(o, s, false); },
             {variant});
    if (slope == 0)
      list.add(FloatAndBfloat16{}, "batch_norm", batches, [=](auto& o, const Shape& s) { return forward(o, s, true); },
               {"running"});
    for (const bool accumulate : {false, true}) {
      if (accumulate && slope != 0) continue;
      list.add(FloatAndBfloat16{}, "batch_norm_backward", batches,
               [=]<class T>(Operands<T>& o, const Shape& s) {
                 return BatchNormBackward<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                             o.input("dy", s[0], s[1]),
                                             o.input_vector("gain", s[1]),
                                             o.input_vector("bias", s[1]),
                                             o.input_vector("mean", s[1], normal(.1, 1)),
                                             o.input_vector("inverse_deviation", s[1], uniform(.3, .7)),
                                             accumulate ? o.in_out("dx", s[0], s[1]) : o.output("dx", s[0], s[1]),
                                             o.output_vector("dgain", s[1]),
                                             o.output_vector("dbias", s[1]),
                                             accumulator_t<T>(slope),
                                             accumulate};
               },
               {accumulate ? "accumulate" : variant});
    }
    const std::string suffix = variant.empty() ? "" : "." + variant;
    list.gradient("batch_norm" + suffix, "batch_norm_backward" + suffix);
  }
  list.add(FloatAndBfloat16{}, "batch_norm_inference", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return BatchNormInference<T>{o.input("x", s[0], s[1], normal(2, 1)),
                                 o.input_vector("gain", s[1]),
                                 o.input_vector("bias", s[1]),
                                 o.input_vector("mean", s[1]),
                                 o.input_vector("variance", s[1], uniform(.5, 2)),
                                 o.output("y", s[0], s[1]),
                                 accumulator_t<T>(.01)};
  });
  list.add(FloatAndBfloat16{}, "gated_residual", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return GatedResidual<T>{o.input("residual", s[0], s[1]), o.input("branch", s[0], s[1]), o.input("gate", s[0], s[1]),
                            o.output("y", s[0], s[1])};
  });
  list.add(FloatAndBfloat16{}, "gated_residual_backward", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return GatedResidualBackward<T>{o.input("dy", s[0], s[1]), o.input("branch", s[0], s[1]),
                                    o.input("gate", s[0], s[1]), o.output("dbranch", s[0], s[1]),
                                    o.output("dgate", s[0], s[1])};
  });
  list.gradient("gated_residual", "gated_residual_backward");
}

}  // namespace perturbine::cases

#include "bench/cases/cases.h"
#include "kernels/transport/ode.h"
#include "kernels/transport/path.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine::cases {
namespace {

constexpr auto index_up_to(double n) {
  return [n](double u, double) { return std::min(n - 1, std::floor(u * n)); };
}

void sinkhorn(CaseList& list) {
  auto costs = []<class T>(Operands<T>& o, const Shape& s) {
    return PairwiseCost<T>{o.input("x", s[0], s[2]), o.input("y", s[1], s[2]), o.output("cost_matrix", s[0], s[1])};
  };
  list.add(FloatOnly{}, "pairwise_cost", {{71, 229, 10}, {29, 65, 50}, {1, 64, 3}, {64, 1, 1}}, costs);
  list.add(FloatOnly{}, "pairwise_cost", {{256, 256, 50}}, costs, {"", {}, false, true});
  for (const bool columns : {false, true})
    for (const bool unbalanced : {false, true}) {
      auto half = [=]<class T>(Operands<T>& o, const Shape& s) {
        using A = accumulator_t<T>;
        const std::size_t summed = columns ? s[0] : s[1], kept = columns ? s[1] : s[0];
        return SinkhornHalf<T>{o.input("cost_matrix", s[0], s[1], uniform(0, 40)),
                               o.input_vector("other", summed, normal(3)),
                               o.input_vector("log_weight", summed, uniform(-6, -4)),
                               o.output_vector("potential", kept),
                               A(.75),
                               unbalanced ? A(.625) : A(1),
                               columns};
      };
      const std::string variant = std::string(columns ? "columns" : "rows") + (unbalanced ? ".unbalanced" : "");
      list.add(FloatOnly{}, "sinkhorn_half", {{71, 229}, {29, 541}, {1, 64}, {64, 1}, {130, 130}}, half, {variant});
      if (!unbalanced) list.add(FloatOnly{}, "sinkhorn_half", {{256, 256}}, half, {variant, {}, false, true});
    }
  // Near and far: at costs of 0 to 400 and epsilon .75 most of exp(-cost / epsilon) is below what a float can hold.
  struct Kind {
    std::string variant;
    double damping, far;
    std::size_t iterations;
  };
  for (const Kind& kind :
       {Kind{"", 1, 10, 7}, {"far", 1, 400, 6}, {"unbalanced", .625, 10, 4}, {"unbalanced_far", .9375, 400, 6}}) {
    auto whole = [kind]<class T>(Operands<T>& o, const Shape& s) {
      using A = accumulator_t<T>;
      return Sinkhorn<T>{o.input("cost_matrix", s[0], s[1], uniform(0, kind.far)),
                         o.input_vector("row_log_weight", s[0], uniform(-6, -4)),
                         o.input_vector("column_log_weight", s[1], uniform(-6, -4)),
                         o.output_vector("f", s[0]),
                         o.output_vector("g", s[1]),
                         A(.75),
                         static_cast<A>(kind.damping),
                         kind.iterations};
    };
    list.add(FloatOnly{}, "sinkhorn", {{71, 229}, {29, 541}, {1, 64}, {64, 1}, {130, 130}}, whole, {kind.variant});
  }
  auto hundred = []<class T>(Operands<T>& o, const Shape& s) {
    using A = accumulator_t<T>;
    // Equal masses on both sides: otherwise the potentials drift from iteration to iteration.
    auto equal = [](std::size_t n) { return [n](double, double) { return -std::log(static_cast<double>(n)); }; };
    return Sinkhorn<T>{o.input("cost_matrix", s[0], s[1], uniform(0, 40)),
                       o.input_vector("row_log_weight", s[0], equal(s[0])),
                       o.input_vector("column_log_weight", s[1], equal(s[1])),
                       o.output_vector("f", s[0]),
                       o.output_vector("g", s[1]),
                       A(.75),
                       A(1),
                       100};
  };
  // Larger than the shared memory of a cluster: a launch a half on a GPU.
  list.add(FloatOnly{}, "sinkhorn", {{640, 650}},
           [hundred]<class T>(Operands<T>& o, const Shape& s) {
             Sinkhorn<T> op = hundred(o, s);
             op.iterations = 1;
             return op;
           },
           {"large"});
  // Exponents reach 53, and what a float cannot tell of those is in every potential.
  constexpr Tolerance iterated{.scaled = 5e-6};
  list.add(FloatOnly{}, "sinkhorn", {{29, 65}, {16, 7}}, hundred, {"100", iterated});
  list.add(FloatOnly{}, "sinkhorn", {{256, 256}}, hundred, {"100", iterated, false, true});
  list.add(FloatOnly{}, "sample_plan", {{71, 229, 50}, {5, 541, 129}, {1, 64, 7}, {64, 1, 33}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return SamplePlan<T>{
                 o.input("cost_matrix", s[0], s[1], uniform(0, 5)),
                 o.input_vector("other", s[1], normal(1)),
                 o.input_vector("log_weight", s[1], uniform(-6, -4)),
                 o.template input_vector<std::int32_t>("row", s[2], index_up_to(static_cast<double>(s[0]))),
                 o.template input_values<std::uint64_t>("offset", {17}),
                 o.template output_integers<std::int32_t>("partner", s[2]),
                 accumulator_t<T>(.75),
                 991};
           });
}

void path(CaseList& list) {
  for (const bool spread : {false, true})
    list.add(FloatOnly{}, "path_interpolation", {{71, 229}, {29, 541}, {1, 64}, {64, 1}},
             [=]<class T>(Operands<T>& o, const Shape& s) {
               // A row behind the table's end is among the indices.
               auto rows = [&](const char* name, double n) {
                 return o.template input_vector<std::int32_t>(name, s[0], index_up_to(n + 1));
               };
               using A = accumulator_t<T>;
               return PathInterpolation<T>{
                   o.input("source", 13, s[1]),
                   o.input("target", 17, s[1], normal(1, 2)),
                   rows("source_row", 13),
                   rows("target_row", 17),
                   o.input_vector("time", s[0], uniform(0, 1)),
                   spread ? o.input_vector("variance", s[1], uniform(1, 2)) : VectorView<A>{},
                   spread ? o.input_vector("covariance", s[1], uniform(-.5, .75)) : VectorView<A>{},
                   o.template input_values<std::uint64_t>("offset", {5}),
                   o.output("xt", s[0], s[1]),
                   o.output("velocity", s[0], s[1]),
                   spread ? accumulator_t<T>(.25) : accumulator_t<T>(0),
                   77};
             },
             {spread ? "spread" : ""});
  list.add(FloatOnly{}, "squared_error_loss", {{7, 33}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return SquaredErrorLoss<T>{
                 o.input("F", s[0], s[1]), o.input("target", s[0], s[1]), {}, {}, o.output_vector("loss", s[0]), {}};
           },
           {"unweighted"});
  list.add(FloatOnly{}, "gaussian_velocity", {{71, 229}, {29, 541}, {1, 64}, {64, 1}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return GaussianVelocity<T>{o.input("F", s[0], s[1]),
                                        o.input("x", s[0], s[1]),
                                        o.input_vector("variance", s[1], uniform(1, 2)),
                                        o.input_vector("covariance", s[1], uniform(-.5, .75)),
                                        o.input_vector("time", 1, uniform(.2, .4)),
                                        o.output("y", s[0], s[1]),
                                        accumulator_t<T>(.25),
                                        accumulator_t<T>(.75)};
           });
  for (const bool backward : {false, true})
    list.add(FloatOnly{}, "squared_error_loss", {{71, 229}, {29, 541}, {1, 64}, {64, 1}},
             [=]<class T>(Operands<T>& o, const Shape& s) {
               SquaredErrorLoss<T> op{o.input("F", s[0], s[1]),
                                      o.input("target", s[0], s[1]),
                                      o.input_vector("weight", s[0], uniform(.5, 2)),
                                      {},
                                      {},
                                      {}};
               if (backward) op.dloss = o.input_vector("dloss", s[0]);
               op.loss = o.output_vector("loss", s[0]);
               if (backward) op.dF = o.output("dF", s[0], s[1]);
               return op;
             },
             {backward ? "backward" : ""});
  list.gradient("squared_error_loss", "squared_error_loss.backward");
}

void ode(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229, 7}, {29, 541, 1}, {1, 64, 3}, {64, 1, 4}};
  list.add(FloatOnly{}, "ode_stage", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return OdeStage<T>{o.input("x", s[0], s[1]), o.input("slopes", s[2] * s[0], s[1]),
                       o.input_vector("coefficient", s[2]), o.output("y", s[0], s[1])};
  });
  list.add(FloatOnly{}, "ode_error", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return OdeError<T>{o.input("x", s[0], s[1]),
                       o.input("y", s[0], s[1]),
                       o.input("slopes", s[2] * s[0], s[1]),
                       o.input_vector("coefficient", s[2]),
                       o.output_vector("error", s[0]),
                       accumulator_t<T>(.125),
                       accumulator_t<T>(.5)};
  });
  list.add(FloatOnly{}, "trace_estimate", {{71, 29, 7}, {5, 541, 1}, {1, 64, 64}, {64, 1, 3}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return TraceEstimate<T>{o.input("direction", s[0] * s[2], s[1]), o.input("product", s[0] * s[2], s[1]),
                                     o.output_vector("trace", s[0]), s[2], accumulator_t<T>(.5)};
           });
}

}  // namespace

void transport(CaseList& list) {
  sinkhorn(list);
  path(list);
  ode(list);
}

}  // namespace perturbine::cases

#include "bench/cases/cases.h"
#include "kernels/similarity/independence.h"
#include "kernels/similarity/pairwise_gradient.h"

namespace perturbine::cases {
namespace {

void pairwise_sums(CaseList& list) {
  for (const bool rbf : {false, true})
    for (const bool same : {false, true}) {
      auto fill = [=]<class T>(Operands<T>& o, const Shape& s, auto& op) {
        using A = accumulator_t<T>;
        op.x = o.input("x", s[0], s[2]);
        op.y = same ? op.x : o.input("y", s[1], s[2]);
        if (rbf) op.gammas = o.template input_values<A>("gammas", {2, 1, .5, .125, .0078125});
        op.kernel = rbf ? PairKernel::rbf : PairKernel::euclidean;
        op.same = same;
      };
      auto sum = [=]<class T>(Operands<T>& o, const Shape& s) {
        PairwiseSum<T> op;
        fill(o, s, op);
        op.sum = o.output_vector("sum", s[0]);
        return op;
      };
      auto backward = [=]<class T>(Operands<T>& o, const Shape& s) {
        PairwiseSumBackward<T> op;
        fill(o, s, op);
        op.dsum = o.input_vector("dsum", s[0]);
        op.dx = o.output("dx", s[0], s[2]);
        if (!same) op.dy = o.output("dy", s[1], s[2]);
        return op;
      };
      const std::string variant = std::string(rbf ? "rbf" : "euclidean") + (same ? ".same" : "");
      std::vector<Shape> shapes{{71, 71, 10}, {130, 130, 50}, {3, 3, 1}};
      if (!same) shapes.insert(shapes.end(), {{29, 101, 7}, {1, 64, 33}});
      list.add(FloatOnly{}, "pairwise_sum", shapes, sum, {variant});
      list.add(FloatOnly{}, "pairwise_sum_backward", shapes, backward, {variant, {1e-5, 1e-2, 1e-5}});
      list.gradient("pairwise_sum." + variant, "pairwise_sum_backward." + variant);
      list.add(FloatOnly{}, "pairwise_sum", {{2000, 2000, 50}}, sum, {variant, {}, false, true});
      list.add(FloatOnly{}, "pairwise_sum_backward", {{256, 256, 50}}, backward, {variant, {}, false, true});
    }
}

// Far from the origin beside one another, y a thousandth of a spread from x, some the same: whoever multiplies out
// |x - y|^2 loses every digit here.
void near_pairs(CaseList& list) {
  for (const bool rbf : {false, true})
    list.add(FloatOnly{}, "pairwise_sum", {{71, 71, 10}, {130, 130, 50}},
             [=]<class T>(Operands<T>& o, const Shape& s) {
               using A = accumulator_t<T>;
               const Fill far = normal(1, 20);
               const auto x = contents("x", s[0] * s[2], far);
               std::size_t at = 0;
               PairwiseSum<T> op;
               op.x = o.input("x", s[0], s[2], far);
               op.y = o.input("y", s[1], s[2], [&](double u, double z) {
                 const double v = x[at++];
                 return u < .3 ? v : static_cast<double>(static_cast<float>(v)) + .001 * z;
               });
               if (rbf) op.gammas = o.template input_values<A>("gammas", {100, 1, .01});
               op.sum = o.output_vector("sum", s[0]);
               op.kernel = rbf ? PairKernel::rbf : PairKernel::euclidean;
               return op;
             },
             {rbf ? "rbf.near" : "euclidean.near", {1e-5, 1e-2, 1e-6}});
}

}  // namespace

void similarity(CaseList& list) {
  near_pairs(list);
  pairwise_sums(list);
  const std::vector<Shape> shapes{{71, 10, 3}, {130, 50, 17}, {2, 1, 1}, {29, 7, 129}};
  // The value is a sum of n^2 small products of either sign.
  const Tolerance sums{1e-4, 1e-2, 1e-5};
  // y leans on x, so that there is a dependence to find.
  list.add(FloatOnly{}, "independence", shapes,
           []<class T>(Operands<T>& o, const Shape& s) {
             return Independence<T>{o.input("x", s[0], s[1]),
                                    o.input("y", s[0], s[2]),
                                    o.output_vector("row_mean", s[0] + 1),
                                    o.output_vector("column_mean", s[0] + 1),
                                    o.output_vector("value", 1),
                                    accumulator_t<T>(.25),
                                    accumulator_t<T>(.125)};
           },
           {"", sums});
  list.add(FloatOnly{}, "independence_backward", shapes,
           []<class T>(Operands<T>& o, const Shape& s) {
             using A = accumulator_t<T>;
             // The row means are those of the forward pass, from the same points.
             const MatrixView<T> x = o.input("x", s[0], s[1]), y = o.input("y", s[0], s[2]);
             auto means = [&](const char* name, std::size_t width, double gamma, const char* points) {
               const auto p = contents(points, s[0] * width, normal());
               std::vector<double> mean(s[0] + 1, 0);
               for (std::size_t i = 0; i < s[0]; ++i)
                 for (std::size_t j = 0; j < s[0]; ++j) {
                   double squared = 0;
                   for (std::size_t k = 0; k < width; ++k) squared += std::pow(p[i * width + k] - p[j * width + k], 2);
                   mean[i] += std::exp(-gamma * squared) / static_cast<double>(s[0]);
                 }
               for (std::size_t i = 0; i < s[0]; ++i) mean[s[0]] += mean[i] / static_cast<double>(s[0]);
               return o.template input_values<A>(name, mean);
             };
             const auto row = means("row_mean", s[1], .25, "x"), column = means("column_mean", s[2], .125, "y");
             return IndependenceBackward<T>{x,
                                            y,
                                            row,
                                            column,
                                            o.template input_values<A>("dvalue", {1.5}),
                                            o.output("dx", s[0], s[1]),
                                            o.output("dy", s[0], s[2]),
                                            A(.25),
                                            A(.125)};
           },
           {"", sums});
  list.gradient("independence", "independence_backward");
}

}  // namespace perturbine::cases

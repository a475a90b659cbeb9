#include "kernels/statistics/statistics.h"

#include "bench/cases/cases.h"
#include "kernels/similarity/similarity.h"

namespace perturbine::cases {

void statistics(CaseList& list) {
  for (const bool rbf : {false, true})
    for (const bool same : {false, true}) {
      auto build = [=]<class T>(Operands<T>& o, const Shape& s) {
        using A = accumulator_t<T>;
        PairwiseSum<T> op;
        op.x = o.input("x", s[0], s[2]);
        op.y = same ? op.x : o.input("y", s[1], s[2]);
        if (rbf) op.gammas = o.template input_values<A>("gammas", {2, 1, .5, .125, .0078125});
        op.sum = o.output_vector("sum", s[0]);
        op.kernel = rbf ? PairKernel::rbf : PairKernel::euclidean;
        op.same = same;
        return op;
      };
      const std::string variant = std::string(rbf ? "rbf" : "euclidean") + (same ? ".same" : "");
      list.add(FloatOnly{}, "pairwise_sum", {{71, 71, 10}, {130, 130, 50}, {3, 3, 1}}, build, {variant});
      if (!same) list.add(FloatOnly{}, "pairwise_sum", {{29, 101, 7}, {1, 64, 33}}, build, {variant});
      list.add(FloatOnly{}, "pairwise_sum", {{2000, 2000, 50}}, build, {variant, {}, false, true});
    }
  list.add(FloatOnly{}, "column_moments", {{71, 229}, {200, 33}, {1, 64}, {64, 1}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return ColumnMoments<T>{o.input("x", s[0], s[1], normal(1, 2)), o.output_vector("mean", s[1]),
                                     o.output_vector("variance", s[1])};
           });
  list.add(FloatOnly{}, "sort_columns", {{71, 29}, {200, 3}, {1, 64}, {64, 1}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return SortColumns<T>{o.input("x", s[0], s[1]), o.template output_matrix<T>("y", s[1], s[0])};
           });
  list.add(FloatOnly{}, "compare_sorted", {{71, 29, 40}, {5, 2, 1}, {1, 64, 33}},
           []<class T>(Operands<T>& o, const Shape& s) {
             // Rising rows with ties: a ramp whose steps double, more slowly for b.
             auto rising = [&](const char* name, std::size_t n, double stretch) {
               std::size_t at = 0;
               return o.input(name, s[0], n, [=](double, double) mutable {
                 const std::size_t pair = at++ % n / 2;  // every number twice
                 return stretch * static_cast<double>(pair);
               });
             };
             return CompareSorted<T>{rising("a", s[1], 1), rising("b", s[2], .625),
                                     o.output_vector("wasserstein", s[0]), o.output_vector("crps", s[0])};
           });
}

}  // namespace perturbine::cases

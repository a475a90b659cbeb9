#include "kernels/statistics/statistics.h"

#include "bench/cases/cases.h"
#include "kernels/statistics/rank_sum.h"

namespace perturbine::cases {

void statistics(CaseList& list) {
  list.add(FloatOnly{}, "column_moments", {{71, 229}, {200, 33}, {1, 64}, {64, 1}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return ColumnMoments<T>{o.input("x", s[0], s[1], normal(1, 2)), o.output_vector("mean", s[1]),
                                     o.output_vector("variance", s[1])};
           });
  list.add(FloatOnly{}, "sort_columns", {{71, 29}, {200, 3}, {1, 64}, {64, 1}},
           []<class T>(Operands<T>& o, const Shape& s) {
             return SortColumns<T>{o.input("x", s[0], s[1]), o.template output_matrix<T>("y", s[1], s[0])};
           });
  // Rising rows with ties: a ramp whose steps double, more slowly for b; a gene in five is constant.
  auto rising = []<class T>(Operands<T>& o, const char* name, std::size_t genes, std::size_t n, double stretch,
                            bool constant) {
    std::size_t at = 0;
    return o.input(name, genes, n, [=](double, double) mutable {
      const std::size_t gene = at / n, pair = at++ % n / 2;  // every number twice
      return constant && gene % 5 == 3 ? 0 : stretch * static_cast<double>(pair);
    });
  };
  const std::vector<Shape> samples{{71, 29, 40}, {5, 2, 1}, {1, 64, 33}};
  list.add(FloatOnly{}, "compare_sorted", samples, [=]<class T>(Operands<T>& o, const Shape& s) {
    return CompareSorted<T>{rising(o, "a", s[0], s[1], 1, false), rising(o, "b", s[0], s[2], .625, false),
                            o.output_vector("wasserstein", s[0]), o.output_vector("crps", s[0])};
  });
  list.add(FloatOnly{}, "rank_sum", samples, [=]<class T>(Operands<T>& o, const Shape& s) {
    return RankSum<T>{rising(o, "a", s[0], s[1], 1, true), rising(o, "b", s[0], s[2], .5, true),
                      o.output_vector("u", s[0]), o.output_vector("score", s[0])};
  });
  list.add(FloatOnly{}, "rank_sum", {{2000, 400, 400}},
           [=]<class T>(Operands<T>& o, const Shape& s) {
             return RankSum<T>{rising(o, "a", s[0], s[1], 1, false), rising(o, "b", s[0], s[2], .5, false),
                               o.output_vector("u", s[0]), o.output_vector("score", s[0])};
           },
           {"", {}, false, true});
  list.add(
      FloatOnly{}, "quantiles", {{71, 29, 7}, {5, 1, 3}, {1, 64, 33}}, [=]<class T>(Operands<T>& o, const Shape& s) {
        std::vector<double> p;
        for (std::size_t k = 0; k < s[2]; ++k) p.push_back(static_cast<double>(k) / 32);
        return Quantiles<T>{rising(o, "x", s[0], s[1], 1, true),
                            o.template input_values<accumulator_t<T>>("probability", p), o.output("y", s[0], s[2])};
      });
}

}  // namespace perturbine::cases

#include "kernels/statistics/statistics.h"

#include "bench/cases/cases.h"

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

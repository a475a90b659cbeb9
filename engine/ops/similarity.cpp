#include "engine/ops/add_gradient.h"
#include "engine/ops/ops.h"
#include "kernels/similarity/independence.h"
#include "kernels/similarity/pairwise_gradient.h"

namespace perturbine::ops {
namespace {

struct ComparisonRecord {
  Comparison c;
  void backward(Tape& t) const {
    const MatrixView<float> x = t.value(c.x).row_slice(c.first_x, c.n), y = t.value(c.y).row_slice(c.first_y, c.m);
    // Rows outside the two sets have no gradient.
    auto within = [&](Var v, std::size_t first, std::size_t count, MatrixView<const float> same,
                      VectorView<const float> weight, bool is_x) {
      add_gradient(t, v, [&](MatrixView<float> d) {
        t.queue().run(Combine<float>{t.value(v), {}, d, 0, 0});
        const MatrixView<float> rows = d.row_slice(first, count), across = t.arena().matrix<float>(count, d.columns);
        t.queue().run(PairwiseSumBackward<float>{same, same, c.gammas, weight, rows, {}, PairKernel::rbf, true});
        t.queue().run(PairwiseSumBackward<float>{x, y, c.gammas, c.cross, is_x ? across : MatrixView<float>{},
                                                 is_x ? MatrixView<float>{} : across, PairKernel::rbf, false});
        t.queue().run(Combine<float>{rows, across, rows, 1, 1});
      });
    };
    within(c.x, c.first_x, c.n, x, c.same_x, true);
    within(c.y, c.first_y, c.m, y, c.same_y, false);
  }
};

struct IndependenceRecord {
  Var x, y;
  VectorView<float> row_mean, column_mean;
  float gamma_x, gamma_y;
  VectorView<const float> weight;
  void backward(Tape& t) const {
    const GradientMemory dx = gradient_memory(t, x), dy = gradient_memory(t, y);
    t.queue().run(IndependenceBackward<float>{t.value(x), t.value(y), row_mean, column_mean, weight, dx.view, dy.view,
                                              gamma_x, gamma_y});
    finish_gradient(t, dx), finish_gradient(t, dy);
  }
};

}  // namespace

ComparisonSums compare_sets(Tape& t, const Comparison& c) {
  const MatrixView<float> x = t.value(c.x).row_slice(c.first_x, c.n), y = t.value(c.y).row_slice(c.first_y, c.m);
  const ComparisonSums sums{t.arena().vector<float>(c.n), t.arena().vector<float>(c.m), t.arena().vector<float>(c.n)};
  t.queue().run(PairwiseSum<float>{x, x, c.gammas, sums.same_x, PairKernel::rbf, true});
  t.queue().run(PairwiseSum<float>{y, y, c.gammas, sums.same_y, PairKernel::rbf, true});
  t.queue().run(PairwiseSum<float>{x, y, c.gammas, sums.cross, PairKernel::rbf, false});
  t.push(ComparisonRecord{c});
  return sums;
}

VectorView<float> independence(Tape& t, Var x, Var y, float gamma_x, float gamma_y, VectorView<const float> weight) {
  const std::size_t n = t.value(x).rows;
  const VectorView<float> row_mean = t.arena().vector<float>(n + 1), column_mean = t.arena().vector<float>(n + 1),
                          value = t.arena().vector<float>(1);
  t.queue().run(Independence<float>{t.value(x), t.value(y), row_mean, column_mean, value, gamma_x, gamma_y});
  t.push(IndependenceRecord{x, y, row_mean, column_mean, gamma_x, gamma_y, weight});
  return value;
}

}  // namespace perturbine::ops

// Gradients of pairwise sums, for losses that compare two sets of points: energy distance and MMD.
#pragma once
#include "kernels/core/formulas.h"
#include "kernels/similarity/similarity.h"

namespace perturbine {

/// Gradients of sum over i of dsum_i sum[i], with sum as PairwiseSum:
///   dx_i = sum over j of dsum_i k'(x_i, y_j),  dy_j = sum over i of dsum_i k'(y_j, x_i)
/// where k' is the slope in the first point: (x - y) / |x - y| (0 where points meet), or the mean over gammas of
/// -2 gamma (x - y) exp(-gamma |x - y|^2). With `same`, y is x and its share is part of dx:
///   dx_i = sum over j of (dsum_i + dsum_j) k'(x_i, x_j)
template <class T>
struct PairwiseSumBackward {
  MatrixView<const T> x, y;                   // [n, width], [m, width]
  VectorView<const accumulator_t<T>> gammas;  // for PairKernel::rbf, at most 16
  VectorView<const accumulator_t<T>> dsum;    // [n]
  MatrixView<T> dx, dy;                       // either may be empty; dy is, with `same`
  PairKernel kernel = PairKernel::euclidean;
  bool same = false;

  static constexpr std::string_view name = "pairwise_sum_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("gammas", gammas), visit("dsum", dsum), visit("dx", dx), visit("dy", dy);
  }
  void check() const {
    require(x.columns == y.columns, "pairwise_sum_backward: x has ", x.columns, " columns but y has ", y.columns);
    require_size(*this, "dsum", dsum, x.rows);
    require(gammas.size <= 16, "pairwise_sum_backward: ", gammas.size, " gammas are more than 16");
    require(!same || (dy.data == nullptr && x.rows == y.rows), "pairwise_sum_backward: of one set there is only dx");
    if (dx.data != nullptr) require_shape(*this, "dx", dx, x.rows, x.columns);
    if (dy.data != nullptr) require_shape(*this, "dy", dy, y.rows, y.columns);
  }
  Cost cost() const {
    const double pairs = static_cast<double>(x.rows) * static_cast<double>(y.rows);
    Cost cost = memory_cost(*this, pairs * (5.0 * static_cast<double>(x.columns) + 16.0));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

namespace formulas {

/// k'(x, y) / (x - y) from the squared distance: what the difference of two points is multiplied by.
template <class A, class Gammas>
PERTURBINE_HOST_DEVICE inline A pair_slope(PairKernel kernel, const Gammas& gammas, A squared) {
  if (kernel == PairKernel::euclidean) return squared > 0 ? 1 / __builtin_sqrtf(squared) : A(0);
  A slope = 0;
  for (std::size_t g = 0; g < gammas.size; ++g) slope -= 2 * gammas[g] * exp(-gammas[g] * squared);
  return slope / static_cast<A>(gammas.size);
}

}  // namespace formulas
}  // namespace perturbine

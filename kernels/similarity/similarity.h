// Distances between two sets of points, as tiled pairwise sums that never hold the matrix of pairs.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

enum class PairKernel { euclidean, rbf };

/// sum[i] = sum over j of k(x_i, y_j): Euclidean distances, or the mean over gammas of exp(-gamma |x_i - y_j|^2). With
/// `same` the pair i = j is left out. Energy distance and MMD are combinations of three such sums:
///   E = 2 mean d(x, y) - mean' d(x, x') - mean' d(y, y'), Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249
///   MMD^2 = mean' k(x, x') + mean' k(y, y') - 2 mean k(x, y), Gretton et al., JMLR 13 (2012) 723, eq. 3
/// with mean' over unequal pairs.
template <class T>
struct PairwiseSum {
  MatrixView<const T> x, y;                   // [n, width], [m, width]
  VectorView<const accumulator_t<T>> gammas;  // for PairKernel::rbf, at most 16
  VectorView<accumulator_t<T>> sum;           // [n]
  PairKernel kernel = PairKernel::euclidean;
  bool same = false;

  static constexpr std::string_view name = "pairwise_sum";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("gammas", gammas), visit("sum", sum);
  }
  void check() const {
    require(x.columns == y.columns, "pairwise_sum: x has ", x.columns, " columns but y has ", y.columns);
    require_size(*this, "sum", sum, x.rows);
    require(gammas.size <= 16, "pairwise_sum: ", gammas.size, " gammas are more than 16");
  }
  Cost cost() const {
    const double pairs = static_cast<double>(x.rows) * static_cast<double>(y.rows);
    Cost cost = memory_cost(*this, pairs * (3.0 * static_cast<double>(x.columns) + 12.0));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

}  // namespace perturbine

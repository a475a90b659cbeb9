// Optimal transport between two sets of points: costs, log-domain Sinkhorn iterations, and draws from the plan.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// cost[i, j] = |x_i - y_j|^2
template <class T>
struct PairwiseCost {
  MatrixView<const T> x, y;   // [n, width], [m, width]
  MatrixView<T> cost_matrix;  // [n, m]

  static constexpr std::string_view name = "pairwise_cost";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("cost_matrix", cost_matrix);
  }
  void check() const {
    require(x.columns == y.columns, "pairwise_cost: x has ", x.columns, " columns but y has ", y.columns);
    require_shape(*this, "cost_matrix", cost_matrix, x.rows, y.rows);
  }
  Cost cost() const {
    return memory_cost(*this, 3.0 * static_cast<double>(x.rows) * static_cast<double>(y.rows * x.columns));
  }
};

/// Half an iteration: the potentials of one side from those of the other,
///   potential[i] = -damping * epsilon * log sum_j exp(log_weight[j] + (other[j] - cost[i, j]) / epsilon)
/// over the rows, or with `columns` potential[j] by the sum over i. The plan is
///   P[i, j] = a_i b_j exp((f_i + g_j - cost[i, j]) / epsilon).
/// damping 1 keeps the marginals (Cuturi 2013; log domain: Peyre and Cuturi, arXiv:1803.00567, section 4.4);
/// rho / (rho + epsilon) penalises them by rho KL, so that mass may be left out (Chizat et al., Math. Comp. 87 (2018)
/// 2563, table 1).
template <class T>
struct SinkhornHalf {
  MatrixView<const T> cost_matrix;                       // [n, m]
  VectorView<const accumulator_t<T>> other, log_weight;  // [m], or [n] with `columns`
  VectorView<accumulator_t<T>> potential;                // [n], or [m] with `columns`
  accumulator_t<T> epsilon = 1, damping = 1;
  bool columns = false;

  static constexpr std::string_view name = "sinkhorn_half";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("cost_matrix", cost_matrix), visit("other", other), visit("log_weight", log_weight);
    visit("potential", potential);
  }
  void check() const {
    const std::size_t summed = columns ? cost_matrix.rows : cost_matrix.columns;
    require_size(*this, "other", other, summed);
    require_size(*this, "log_weight", log_weight, summed);
    require_size(*this, "potential", potential, columns ? cost_matrix.columns : cost_matrix.rows);
    require(epsilon > 0, "sinkhorn_half: epsilon is ", epsilon, " but must be positive");
    require(damping > 0 && damping <= 1, "sinkhorn_half: damping is ", damping, " but must lie in (0, 1]");
    require(summed > 0, "sinkhorn_half: nothing to sum over");
  }
  Cost cost() const { return memory_cost(*this, 12.0 * static_cast<double>(cost_matrix.rows * cost_matrix.columns)); }
};

/// Both potentials of the plan: from g = 0, `iterations` times the half for f and then the half for g.
template <class T>
struct Sinkhorn {
  MatrixView<const T> cost_matrix;                                       // [n, m]
  VectorView<const accumulator_t<T>> row_log_weight, column_log_weight;  // [n], [m]: log a, log b
  VectorView<accumulator_t<T>> f, g;                                     // [n], [m]
  accumulator_t<T> epsilon = 1, damping = 1;
  std::size_t iterations = 1;

  static constexpr std::string_view name = "sinkhorn";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("cost_matrix", cost_matrix), visit("row_log_weight", row_log_weight);
    visit("column_log_weight", column_log_weight), visit("f", f), visit("g", g);
  }
  void check() const {
    require_size(*this, "row_log_weight", row_log_weight, cost_matrix.rows);
    require_size(*this, "column_log_weight", column_log_weight, cost_matrix.columns);
    require_size(*this, "f", f, cost_matrix.rows);
    require_size(*this, "g", g, cost_matrix.columns);
    require(epsilon > 0, "sinkhorn: epsilon is ", epsilon, " but must be positive");
    require(damping > 0 && damping <= 1, "sinkhorn: damping is ", damping, " but must lie in (0, 1]");
    require(iterations > 0 && f.size > 0 && g.size > 0, "sinkhorn: needs an iteration and points on both sides");
  }
  SinkhornHalf<T> half(bool columns) const {
    const auto in = [](VectorView<accumulator_t<T>> v) { return VectorView<const accumulator_t<T>>{v.data, v.size}; };
    return columns ? SinkhornHalf<T>{cost_matrix, in(f), row_log_weight, g, epsilon, damping, true}
                   : SinkhornHalf<T>{cost_matrix, in(g), column_log_weight, f, epsilon, damping, false};
  }
  /// The matrix is read once an iteration, wherever it lies.
  Cost cost() const {
    const double pairs = static_cast<double>(cost_matrix.rows * cost_matrix.columns);
    return {static_cast<double>(iterations) * pairs * sizeof(T), 4.0 * static_cast<double>(iterations) * pairs,
            Ceiling::memory};
  }
};

/// partner[r] is j drawn with probability proportional to b_j exp((other[j] - cost[i, j]) / epsilon), i = row[r]: the
/// plan's row i. By the Gumbel trick: the j of greatest log weight plus Gumbel noise, word j % 4 of subsequence
/// r << 32 | j / 4 of (seed, *offset); of equal ones the first.
template <class T>
struct SamplePlan {
  MatrixView<const T> cost_matrix;                       // [n, m]
  VectorView<const accumulator_t<T>> other, log_weight;  // [m]
  VectorView<const std::int32_t> row;                    // [draws]
  VectorView<const std::uint64_t> offset;                // [1]
  VectorView<std::int32_t> partner;                      // [draws]
  accumulator_t<T> epsilon = 1;
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "sample_plan";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("cost_matrix", cost_matrix), visit("other", other), visit("log_weight", log_weight), visit("row", row);
    visit("offset", offset), visit("partner", partner);
  }
  void check() const {
    require_size(*this, "other", other, cost_matrix.columns);
    require_size(*this, "log_weight", log_weight, cost_matrix.columns);
    require_size(*this, "row", row, partner.size);
    require_size(*this, "offset", offset, 1);
    require(epsilon > 0, "sample_plan: epsilon is ", epsilon, " but must be positive");
    require(cost_matrix.columns > 0, "sample_plan: the plan has no columns");
  }
  Cost cost() const {
    const double pairs = static_cast<double>(partner.size) * static_cast<double>(cost_matrix.columns);
    return {pairs * sizeof(T), 60.0 * pairs, Ceiling::memory};
  }
};

}  // namespace perturbine

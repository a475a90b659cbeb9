// The Hilbert-Schmidt independence criterion of paired points, and its gradients.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// HSIC = tr(K H L H) / (n - 1)^2 with K_ij = exp(-gamma_x |x_i - x_j|^2), L_ij the same of y, H = I - 1/n: zero for
/// independent x and y as n grows. Row means of K and L are kept for the backward pass; behind the last row's stands
/// the mean of all. Source: Gretton et al., ALT 2005, LNCS 3734, eq. 9.
template <class T>
struct Independence {
  MatrixView<const T> x, y;                            // [n, width of x], [n, width of y]
  VectorView<accumulator_t<T>> row_mean, column_mean;  // [n + 1], of K and of L
  VectorView<accumulator_t<T>> value;                  // [1]
  accumulator_t<T> gamma_x = 1, gamma_y = 1;

  static constexpr std::string_view name = "independence";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("row_mean", row_mean), visit("column_mean", column_mean), visit("value", value);
  }
  void check() const {
    require(x.rows == y.rows && x.rows >= 2, "independence: x has ", x.rows, " rows and y ", y.rows,
            "; both must have the same number, at least 2");
    require_size(*this, "row_mean", row_mean, x.rows + 1), require_size(*this, "column_mean", column_mean, x.rows + 1);
    require_size(*this, "value", value, 1);
  }
  Cost cost() const {
    const double pairs = static_cast<double>(x.rows) * static_cast<double>(x.rows);
    Cost cost = memory_cost(*this, pairs * (6.0 * static_cast<double>(x.columns + y.columns) + 40.0));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

/// dx_i = dvalue 2 / (n - 1)^2 sum over j of (H L H)_ij (-2 gamma_x) K_ij (x_i - x_j), and dy likewise.
template <class T>
struct IndependenceBackward {
  MatrixView<const T> x, y;
  VectorView<const accumulator_t<T>> row_mean, column_mean;  // [n + 1], of the forward pass
  VectorView<const accumulator_t<T>> dvalue;                 // [1]
  MatrixView<T> dx, dy;                                      // as x and y
  accumulator_t<T> gamma_x = 1, gamma_y = 1;

  static constexpr std::string_view name = "independence_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("row_mean", row_mean), visit("column_mean", column_mean);
    visit("dvalue", dvalue), visit("dx", dx), visit("dy", dy);
  }
  void check() const {
    require(x.rows == y.rows && x.rows >= 2, "independence_backward: x has ", x.rows, " rows and y ", y.rows,
            "; both must have the same number, at least 2");
    require_size(*this, "row_mean", row_mean, x.rows + 1), require_size(*this, "column_mean", column_mean, x.rows + 1);
    require_size(*this, "dvalue", dvalue, 1);
    require_shape(*this, "dx", dx, x.rows, x.columns), require_shape(*this, "dy", dy, y.rows, y.columns);
  }
  Cost cost() const {
    const double pairs = static_cast<double>(x.rows) * static_cast<double>(x.rows);
    Cost cost = memory_cost(*this, pairs * (10.0 * static_cast<double>(x.columns + y.columns) + 40.0));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

}  // namespace perturbine

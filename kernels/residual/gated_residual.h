// The join of a residual block: what a branch computed, gated, added to what went around it.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// y = residual + gate * branch, row by row. Source: Peebles and Xie, arXiv:2212.09748, section 3.2 (adaLN-Zero).
template <class T>
struct GatedResidual {
  MatrixView<const T> residual, branch, gate;  // [rows, width]
  MatrixView<T> y;                             // may be residual or branch

  static constexpr std::string_view name = "gated_residual";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("residual", residual), visit("branch", branch), visit("gate", gate), visit("y", y);
  }
  void check() const {
    for (const auto& v : {residual, branch, gate})
      require_shape(*this, "residual, branch and gate", v, y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 2.0 * static_cast<double>(y.rows * y.columns)); }
};

/// dbranch = dy * gate, dgate = dy * branch; the residual's gradient is dy itself.
template <class T>
struct GatedResidualBackward {
  MatrixView<const T> dy, branch, gate;  // [rows, width]
  MatrixView<T> dbranch, dgate;

  static constexpr std::string_view name = "gated_residual_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("dy", dy), visit("branch", branch), visit("gate", gate), visit("dbranch", dbranch), visit("dgate", dgate);
  }
  void check() const {
    for (const auto& v : {branch, gate}) require_shape(*this, "branch and gate", v, dy.rows, dy.columns);
    for (const auto& v : {dbranch, dgate}) require_shape(*this, "dbranch and dgate", v, dy.rows, dy.columns);
  }
  Cost cost() const { return memory_cost(*this, 2.0 * static_cast<double>(dy.rows * dy.columns)); }
};

}  // namespace perturbine

// A sparse matrix times a dense one: the first layer of a network on counts, of which most are zero.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// c = a b, a in compressed sparse rows. With a of cells and b [genes, width] the first layer; with a's transpose and b
/// the gradient of the layer's output, the gradient of its weights.
template <class T>
struct SparseProduct {
  CsrView<T> a;           // [rows, inner], columns rising within a row
  MatrixView<const T> b;  // [inner, columns]
  MatrixView<T> c;        // [rows, columns]

  static constexpr std::string_view name = "sparse_product";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("a", a), visit("b", b), visit("c", c);
  }
  void check() const {
    require_shape(*this, "b", b, a.column_count, c.columns);
    require_shape(*this, "c", c, a.rows, c.columns);
    require_size(*this, "a.row_offsets", a.row_offsets, a.rows + 1);
  }
  Cost cost() const {
    Cost cost = memory_cost(*this, 2.0 * static_cast<double>(a.values.size) * static_cast<double>(c.columns));
    cost.ceiling = Ceiling::products;
    return cost;
  }
};

}  // namespace perturbine

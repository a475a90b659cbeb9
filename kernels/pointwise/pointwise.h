// Element by element: sums, gathers, dropout and row masks.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// y = factor_a * a + factor_b * b (b may be empty). y may be a or b.
template <class T>
struct Combine {
  MatrixView<const T> a, b;  // [rows, columns]
  MatrixView<T> y;
  accumulator_t<T> factor_a = 1, factor_b = 1;

  static constexpr std::string_view name = "combine";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("a", a), visit("b", b), visit("y", y);
  }
  void check() const {
    require_shape(*this, "a", a, y.rows, y.columns);
    if (b.data != nullptr) require_shape(*this, "b", b, y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 3.0 * static_cast<double>(y.rows * y.columns)); }
};

/// y[i] = table[index[i]]: copies of chosen rows, or, with `columns`, of chosen columns of them, y[i][j] =
/// table[index[i]][columns[j]]. An index outside the table gives zeros.
template <class T>
struct GatherRows {
  MatrixView<const T> table;                    // [entries, width]
  VectorView<const std::int32_t> index;         // [rows]
  MatrixView<T> y;                              // [rows, width], or with `columns` [rows, chosen]
  VectorView<const std::int32_t> columns = {};  // [chosen], or empty: all of them

  static constexpr std::string_view name = "gather_rows";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("table", table), visit("index", index), visit("y", y), visit("columns", columns);
  }
  void check() const {
    require_size(*this, "index", index, y.rows);
    if (columns.data != nullptr)
      require_size(*this, "columns", columns, y.columns);
    else
      require_shape(*this, "table", table, table.rows, y.columns);
  }
  Cost cost() const { return {2.0 * static_cast<double>(y.rows * y.columns * sizeof(T)), 0, Ceiling::memory}; }
};

/// y = x * keep / (1 - rate) with keep drawn anew from (seed, *offset): the backward pass is the same operation on dy,
/// nothing is stored. Word column % 4 of subsequence row << 32 | column / 4. y may be x.
template <class T>
struct Dropout {
  MatrixView<const T> x;  // [rows, columns]
  MatrixView<T> y;
  VectorView<const std::uint64_t> offset;  // [1], in device memory so that a captured graph sees it change
  accumulator_t<T> rate = 0;
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // added to the offset: several dropouts of one step differ

  static constexpr std::string_view name = "dropout";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y), visit("offset", offset);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    require_size(*this, "offset", offset, 1);
    require(rate >= 0 && rate < 1, "dropout: rate is ", rate, " but must lie in [0, 1)");
  }
  Cost cost() const { return memory_cost(*this, 40.0 * static_cast<double>(y.rows * y.columns)); }
};

/// y[i] = x[i] * factor[i]: whole rows scaled or, with 0, left out (condition masks). y may be x.
template <class T>
struct ScaleRows {
  MatrixView<const T> x;                      // [rows, columns]
  VectorView<const accumulator_t<T>> factor;  // [rows]
  MatrixView<T> y;

  static constexpr std::string_view name = "scale_rows";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("factor", factor), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    require_size(*this, "factor", factor, y.rows);
  }
  Cost cost() const { return memory_cost(*this, static_cast<double>(y.rows * y.columns)); }
};

/// y = activation(x) by SiLU, and its gradient dx = dy * silu'(x) when dy is given (then y is dx).
template <class T>
struct Silu {
  MatrixView<const T> x, dy;  // dy empty: forward
  MatrixView<T> y;

  static constexpr std::string_view name = "silu";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("dy", dy), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    if (dy.data != nullptr) require_shape(*this, "dy", dy, y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 8.0 * static_cast<double>(y.rows * y.columns)); }
};

/// y = 1 / (1 + exp(-x)) and, when dy is given, its gradient dx = dy * y (1 - y) (then y is dx).
template <class T>
struct Sigmoid {
  MatrixView<const T> x, dy;  // dy empty: forward
  MatrixView<T> y;

  static constexpr std::string_view name = "sigmoid";
  static constexpr bool in_place = true;
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("dy", dy), visit("y", y);
  }
  void check() const {
    require_shape(*this, "x", x, y.rows, y.columns);
    if (dy.data != nullptr) require_shape(*this, "dy", dy, y.rows, y.columns);
  }
  Cost cost() const { return memory_cost(*this, 8.0 * static_cast<double>(y.rows * y.columns)); }
};

/// counter[i] += 1: which step of a loop it is, in device memory. The steps of a sampler then are one piece of work on
/// the same addresses, which a captured graph repeats.
template <class T>
struct Advance {
  VectorView<T> counter;  // T = std::int32_t; double in the oracle

  static constexpr std::string_view name = "advance";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("counter", counter);
  }
  void check() const {}
  Cost cost() const { return {2.0 * static_cast<double>(counter.size * sizeof(T)), 0, Ceiling::memory}; }
};

/// y = x rounded to bfloat16: once for every product that reads x.
template <class T>
struct Round {
  MatrixView<const T> x;
  MatrixView<bfloat16> y;

  static constexpr std::string_view name = "round";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("x", x), visit("y", y);
  }
  void check() const { require_shape(*this, "y", y, x.rows, x.columns); }
  Cost cost() const { return memory_cost(*this, static_cast<double>(y.rows * y.columns)); }
};

}  // namespace perturbine

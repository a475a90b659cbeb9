// Embeddings: time as sines and cosines, and weighted sets of table rows with a deterministic gradient.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// y[i] = [sin(t_i w_k) for every k, cos(t_i w_k) for every k]. With fixed w: Vaswani et al., arXiv:1706.03762, section
/// 3.5; with learned w: learned Fourier features.
template <class T>
struct TimeEmbedding {
  VectorView<const accumulator_t<T>> time;       // [rows]
  VectorView<const accumulator_t<T>> frequency;  // [half], in radians per unit of time
  MatrixView<T> y;                               // [rows, 2 half]

  static constexpr std::string_view name = "time_embedding";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("time", time), visit("frequency", frequency), visit("y", y);
  }
  void check() const { require_shape(*this, "y", y, time.size, 2 * frequency.size); }
  Cost cost() const { return memory_cost(*this, 20.0 * static_cast<double>(y.rows * y.columns)); }
};

/// dfrequency[k] = sum_i t_i (dy_i[k] cos(t_i w_k) - dy_i[half + k] sin(t_i w_k)), rows in order.
template <class T>
struct TimeEmbeddingBackward {
  VectorView<const accumulator_t<T>> time, frequency;
  MatrixView<const T> dy;                   // [rows, 2 half]
  VectorView<accumulator_t<T>> dfrequency;  // [half]

  static constexpr std::string_view name = "time_embedding_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("time", time), visit("frequency", frequency), visit("dy", dy), visit("dfrequency", dfrequency);
  }
  void check() const {
    require_shape(*this, "dy", dy, time.size, 2 * frequency.size);
    require_size(*this, "dfrequency", dfrequency, frequency.size);
  }
  Cost cost() const { return memory_cost(*this, 20.0 * static_cast<double>(dy.rows * dy.columns)); }
};

/// y[i] = sum over k in row i of weight[k] * table[index[k]]: the sum over a set of perturbations with dose weights.
/// Rows of the set lie one after another: row_offsets[i] <= k < row_offsets[i + 1]. An index outside the table adds
/// zero.
template <class T>
struct SetEmbedding {
  MatrixView<const T> table;                          // [entries, width]
  VectorView<const std::int32_t> row_offsets, index;  // [rows + 1], [members]
  VectorView<const accumulator_t<T>> weight;          // [members]
  MatrixView<T> y;                                    // [rows, width]

  static constexpr std::string_view name = "set_embedding";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("table", table), visit("row_offsets", row_offsets), visit("index", index), visit("weight", weight),
        visit("y", y);
  }
  void check() const {
    require_size(*this, "row_offsets", row_offsets, y.rows + 1);
    require_size(*this, "weight", weight, index.size);
    require_shape(*this, "table", table, table.rows, y.columns);
  }
  Cost cost() const {
    const double row = static_cast<double>(y.columns * sizeof(T));
    return {row * static_cast<double>(y.rows + index.size), 2.0 * static_cast<double>(index.size * y.columns),
            Ceiling::memory};
  }
};

/// order = the positions of `key` sorted by key, equal keys in their order; sorted[i] = key[order[i]].
/// The device-wide sort of the embedding gradient: CUB on a GPU.
template <class T>
struct SortKeys {
  VectorView<const T> key;      // [n], non-negative; T = std::int32_t, double in the oracle
  VectorView<T> sorted, order;  // [n]

  static constexpr std::string_view name = "sort_keys";
  static constexpr std::string_view library = "CUB";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("key", key), visit("sorted", sorted), visit("order", order);
  }
  void check() const {
    require_size(*this, "sorted", sorted, key.size);
    require_size(*this, "order", order, key.size);
  }
  Cost cost() const { return {static_cast<double>(key.size) * 4 * 4 * sizeof(T), 0, Ceiling::memory}; }
};

/// dtable[e] = sum over the members with index e of weight * dy[row], in the order SortKeys gives; rows of entries that
/// occur nowhere become zero. No atomics: one group of threads owns one entry.
template <class T>
struct SetEmbeddingBackward {
  MatrixView<const T> dy;                        // [rows, width]
  VectorView<const std::int32_t> sorted, order;  // [members], from SortKeys on index
  VectorView<const std::int32_t> member_row;     // [members], the row of each member
  VectorView<const accumulator_t<T>> weight;     // [members]
  MatrixView<T> dtable;                          // [entries, width]

  static constexpr std::string_view name = "set_embedding_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("dy", dy), visit("sorted", sorted), visit("order", order), visit("member_row", member_row);
    visit("weight", weight), visit("dtable", dtable);
  }
  void check() const {
    require_size(*this, "order", order, sorted.size);
    require_size(*this, "member_row", member_row, sorted.size);
    require_size(*this, "weight", weight, sorted.size);
    require_shape(*this, "dtable", dtable, dtable.rows, dy.columns);
  }
  Cost cost() const {
    const double row = static_cast<double>(dy.columns * sizeof(T));
    return {row * static_cast<double>(dtable.rows + sorted.size), 2.0 * static_cast<double>(sorted.size * dy.columns),
            Ceiling::memory};
  }
};

}  // namespace perturbine

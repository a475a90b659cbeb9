// Softmax attention of one query per row over a set of its own, masked to the set's length.
#pragma once
#include "kernels/core/operation.h"

namespace perturbine {

/// For row i and head h (columns h * width / heads ... of every operand), over members m < length_i:
/// weight_m = softmax_m(query . key_m / sqrt(width / heads)), y = sum_m weight_m value_m; an empty set gives zero.
/// Row i's set lies in rows i * set_size ... of keys and values. Source: Vaswani et al., arXiv:1706.03762, eq. 1.
template <class T>
struct SetAttention {
  MatrixView<const T> query;              // [rows, width]
  MatrixView<const T> keys, values;       // [rows * set_size, width]
  VectorView<const std::int32_t> length;  // [rows], 0 ... set_size
  MatrixView<T> y;                        // [rows, width]
  MatrixView<accumulator_t<T>> weights;   // [rows, heads * set_size], kept for the backward pass
  std::size_t heads = 1;

  PERTURBINE_HOST_DEVICE std::size_t set_size() const { return weights.columns / heads; }
  static constexpr std::string_view name = "set_attention";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("query", query), visit("keys", keys), visit("values", values), visit("length", length);
    visit("y", y), visit("weights", weights);
  }
  void check() const {
    require(heads > 0 && query.columns % heads == 0 && weights.columns % heads == 0,
            "set_attention: the width and the columns of weights must be multiples of the ", heads, " heads");
    for (const auto& v : {keys, values})
      require_shape(*this, "keys and values", v, query.rows * set_size(), query.columns);
    require_shape(*this, "y", y, query.rows, query.columns);
    require_shape(*this, "weights", weights, query.rows, weights.columns);
    require_size(*this, "length", length, query.rows);
  }
  Cost cost() const { return memory_cost(*this, 4.0 * static_cast<double>(keys.rows * keys.columns)); }
};

template <class T>
struct SetAttentionBackward {
  MatrixView<const T> query, keys, values, dy;
  VectorView<const std::int32_t> length;
  MatrixView<const accumulator_t<T>> weights;  // from the forward pass
  MatrixView<T> dquery, dkeys, dvalues;
  std::size_t heads = 1;

  PERTURBINE_HOST_DEVICE std::size_t set_size() const { return weights.columns / heads; }
  static constexpr std::string_view name = "set_attention_backward";
  template <class Visitor>
  void operands(Visitor&& visit) const {
    visit("query", query), visit("keys", keys), visit("values", values), visit("dy", dy), visit("length", length);
    visit("weights", weights), visit("dquery", dquery), visit("dkeys", dkeys), visit("dvalues", dvalues);
  }
  void check() const {
    for (const auto& v : {keys, values})
      require_shape(*this, "keys and values", v, query.rows * set_size(), query.columns);
    for (const auto& v : {dkeys, dvalues})
      require_shape(*this, "dkeys and dvalues", v, query.rows * set_size(), query.columns);
    require_shape(*this, "dy", dy, query.rows, query.columns);
    require_shape(*this, "dquery", dquery, query.rows, query.columns);
    require_shape(*this, "weights", weights, query.rows, weights.columns);
    require_size(*this, "length", length, query.rows);
  }
  Cost cost() const { return memory_cost(*this, 8.0 * static_cast<double>(keys.rows * keys.columns)); }
};

}  // namespace perturbine

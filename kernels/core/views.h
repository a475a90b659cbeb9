// Views: a pointer with a shape. Rows x columns, row-major, with a row pitch; column slices are allowed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/core/bfloat16.h"

namespace perturbine {

template <class T>
struct VectorView {
  T* data = nullptr;
  std::size_t size = 0;

  PERTURBINE_HOST_DEVICE T& operator[](std::size_t i) const { return data[i]; }
  operator VectorView<const T>() const requires(!std::is_const_v<T>) { return {data, size}; }
};

template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0, columns = 0, pitch = 0;  // pitch: elements from one row to the next, >= columns

  PERTURBINE_HOST_DEVICE T* row(std::size_t i) const { return data + i * pitch; }
  PERTURBINE_HOST_DEVICE T& operator()(std::size_t i, std::size_t j) const { return data[i * pitch + j]; }
  MatrixView row_slice(std::size_t first, std::size_t count) const {
    return {data + first * pitch, count, columns, pitch};
  }
  MatrixView column_slice(std::size_t first, std::size_t count) const { return {data + first, rows, count, pitch}; }
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data, rows, columns, pitch}; }
};

/// A dense matrix whose rows follow one another without a gap.
template <class T>
MatrixView<T> matrix(T* data, std::size_t rows, std::size_t columns) {
  return {data, rows, columns, columns};
}

/// Compressed sparse rows: row i holds columns[k], values[k] for row_offsets[i] <= k < row_offsets[i + 1],
/// columns strictly rising within a row.
template <class T>
struct CsrView {
  VectorView<const std::int32_t> row_offsets;  // rows + 1
  VectorView<const std::int32_t> columns;      // non-zeros
  VectorView<const T> values;                  // non-zeros
  std::size_t rows = 0, column_count = 0;
};

}  // namespace perturbine

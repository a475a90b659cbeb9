// A sparse matrix in host memory.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/core/views.h"

namespace perturbine {

/// Compressed sparse rows; columns rise strictly within a row.
struct CsrMatrix {
  std::size_t rows = 0, columns = 0;
  std::vector<std::int64_t> row_offsets{0};  // rows + 1
  std::vector<std::int32_t> column_index;
  std::vector<float> values;

  std::size_t non_zeros() const { return values.size(); }
  double row_sum(std::size_t row) const {
    double sum = 0;
    for (auto k = static_cast<std::size_t>(row_offsets[row]); k < static_cast<std::size_t>(row_offsets[row + 1]); ++k)
      sum += static_cast<double>(values[k]);
    return sum;
  }
};

}  // namespace perturbine

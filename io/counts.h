// A sparse matrix in host memory.
#pragma once
#include <cmath>
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

/// Whether a value is a count but for rounding: within .001 of a whole number that is not zero, as counts are that have
/// been divided, or had their logarithm taken, and been brought back.
inline bool nearly_whole(float v) {
  const float whole = std::round(v);
  return v == whole || (whole >= 1 && std::abs(v - whole) <= .001f);
}

}  // namespace perturbine

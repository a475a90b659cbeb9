// Looking up one element of compressed sparse rows on the device.
#pragma once
#include "kernels/core/device.h"
#include "kernels/core/views.h"

namespace perturbine::PERTURBINE_DEVICE_NAMESPACE {

/// The number at column j of row i, or 0: columns rise within a row, so a binary search finds it.
__device__ __forceinline__ float value_at(const CsrView<float>& m, std::size_t i, std::int32_t j) {
  std::int32_t low = m.row_offsets[i], high = m.row_offsets[i + 1];
  while (low < high) {
    const std::int32_t middle = (low + high) / 2;
    if (m.columns[static_cast<std::size_t>(middle)] < j)
      low = middle + 1;
    else
      high = middle;
  }
  return low < m.row_offsets[i + 1] && m.columns[static_cast<std::size_t>(low)] == j
             ? m.values[static_cast<std::size_t>(low)]
             : 0.0f;
}

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

// What the native kernels share: how many rows make one task, and rows as float.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/core/executors.h"
#include "kernels/core/formulas.h"
#include "kernels/core/operation.h"

namespace perturbine {

/// Rows per task: about 16 Ki elements, a function of the shape alone.
inline std::size_t rows_per_task(std::size_t columns) {
  return std::max<std::size_t>(1, 16384 / std::max<std::size_t>(1, columns));
}

/// Calls body(i) for every row, in parallel.
template <class Body>
void for_rows(Cpu& cpu, std::size_t rows, std::size_t columns, Body&& body) {
  cpu.pool.for_ranges(rows, rows_per_task(columns), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) body(i);
  });
}

}  // namespace perturbine

// What readers do with columns of obs and rows of counts.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "io/counts.h"

namespace perturbine {

/// The number of each value among `names`, which receives the different ones in bytewise order.
inline std::vector<std::int32_t> numbered(const std::vector<std::string>& values, std::vector<std::string>& names) {
  names = values;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::int32_t> out;
  out.reserve(values.size());
  for (const std::string& v : values)
    out.push_back(static_cast<std::int32_t>(std::lower_bound(names.begin(), names.end(), v) - names.begin()));
  return out;
}

/// Keeps the values of these rows; an empty column stays empty.
template <class T>
void keep(std::vector<T>& values, const std::vector<std::size_t>& rows) {
  if (values.empty()) return;
  std::vector<T> out;
  out.reserve(rows.size());
  for (const std::size_t r : rows) out.push_back(values[r]);
  values = std::move(out);
}

/// Adds the rows of a block of as many columns.
inline void append(CsrMatrix& all, const CsrMatrix& block) {
  const std::int64_t base = all.row_offsets.back();
  for (std::size_t i = 1; i < block.row_offsets.size(); ++i) all.row_offsets.push_back(base + block.row_offsets[i]);
  all.column_index.insert(all.column_index.end(), block.column_index.begin(), block.column_index.end());
  all.values.insert(all.values.end(), block.values.begin(), block.values.end());
  all.rows += block.rows;
}

}  // namespace perturbine

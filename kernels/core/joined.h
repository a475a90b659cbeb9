// Lists in messages.
#pragma once
#include <string>

#include "kernels/core/error.h"

namespace perturbine {

/// The items with a comma between them; of more than `most` the first ones and an ellipsis.
template <class List>
std::string joined(const List& list, std::size_t most = static_cast<std::size_t>(-1)) {
  std::string out;
  std::size_t n = 0;
  for (const auto& item : list) {
    if (n > 0) out += ", ";
    if (n++ == most) return out + "...";
    out += text(item);
  }
  return out;
}

}  // namespace perturbine

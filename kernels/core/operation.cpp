#include "kernels/core/operation.h"

#include <algorithm>
#include <cstdint>

namespace perturbine {

bool share_memory(const Operand& first, const Operand& second) {
  auto begin = [](const Operand& o) { return reinterpret_cast<std::uintptr_t>(o.data); };
  if (begin(first) + first.span_bytes() <= begin(second) || begin(second) + second.span_bytes() <= begin(first))
    return false;
  // Column slices of one matrix interleave in memory without sharing an element.
  if (first.pitch == second.pitch && first.pitch > 0 && first.element_size == second.element_size) {
    const std::uintptr_t stride = first.pitch * first.element_size, base = std::min(begin(first), begin(second));
    const std::uintptr_t a = (begin(first) - base) % stride, b = (begin(second) - base) % stride;
    const bool apart =
        a < b ? a + first.columns * first.element_size <= b && b + second.columns * second.element_size <= stride
              : b + second.columns * second.element_size <= a && a + first.columns * first.element_size <= stride;
    if (apart) return false;
  }
  return true;
}

void check_operands(std::string_view operation, const std::vector<Operand>& operands, bool in_place) {
  auto begin = [](const Operand& o) { return reinterpret_cast<std::uintptr_t>(o.data); };
  for (const Operand& o : operands) {
    require(o.pitch >= o.columns, operation, ": ", o.name, " has a row pitch of ", o.pitch, " for ", o.columns,
            " columns");
    require(begin(o) % o.element_size == 0, operation, ": ", o.name, " is not aligned to its element size of ",
            o.element_size, " bytes");
  }
  for (const Operand& out : operands) {
    if (!out.is_output) continue;
    for (const Operand& other : operands) {
      if (&other == &out || !share_memory(out, other)) continue;
      if (in_place && other.data == out.data && other.pitch == out.pitch && other.element_size == out.element_size)
        continue;
      throw Error(text(operation, ": output ", out.name, " overlaps ", other.name));
    }
  }
}

}  // namespace perturbine

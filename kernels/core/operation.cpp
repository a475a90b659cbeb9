#include "kernels/core/operation.h"

#include <cstdint>

namespace perturbine {

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
      if (&other == &out || begin(out) + out.span_bytes() <= begin(other) ||
          begin(other) + other.span_bytes() <= begin(out))
        continue;
      if (in_place && other.data == out.data && other.pitch == out.pitch && other.element_size == out.element_size)
        continue;
      // Column slices of one matrix interleave in memory without sharing an element.
      if (out.pitch == other.pitch && out.pitch > 0 && out.element_size == other.element_size) {
        const std::uintptr_t stride = out.pitch * out.element_size;
        const std::uintptr_t base = begin(out) < begin(other) ? begin(out) : begin(other);
        const std::uintptr_t a = (begin(out) - base) % stride, b = (begin(other) - base) % stride;
        const bool apart =
            a < b ? a + out.columns * out.element_size <= b && b + other.columns * other.element_size <= stride
                  : b + other.columns * other.element_size <= a && a + out.columns * out.element_size <= stride;
        if (apart) continue;
      }
      throw Error(text(operation, ": output ", out.name, " overlaps ", other.name));
    }
  }
}

}  // namespace perturbine

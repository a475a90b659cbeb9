// An operation is a value: a struct that names its operands, checks them and states its cost.
//
//   struct Scale {
//     MatrixView<const float> x;
//     MatrixView<float> y;
//     float factor;
//     static constexpr std::string_view name = "scale";
//     template <class V> void operands(V&& visit) const { visit("x", x); visit("y", y); }
//     void check() const { require_shape(*this, "y", y, x.rows, x.columns); }
//     Cost cost() const { return memory_cost(*this, 1.0 * x.rows * x.columns); }
//   };
//   template <> void execute(Cpu&, const Scale&);
//
// Views of const are inputs, the others outputs. Outputs must not overlap other operands unless the operation says
// `static constexpr bool in_place = true` and so allows an output to be exactly one of its inputs.
#pragma once
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/views.h"

namespace perturbine {

enum class Ceiling { memory, products };

/// What an operation must move and compute at least, and which ceiling of the machine bounds it.
struct Cost {
  double bytes = 0, flops = 0;
  Ceiling ceiling = Ceiling::memory;
};

enum class ElementType { f32, bf16, f64, i32, i64, u32, u64, u8 };

template <class T>
constexpr ElementType element_type() {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return ElementType::f32;
  else if constexpr (std::is_same_v<U, bfloat16>)
    return ElementType::bf16;
  else if constexpr (std::is_same_v<U, double>)
    return ElementType::f64;
  else if constexpr (std::is_same_v<U, std::int32_t>)
    return ElementType::i32;
  else if constexpr (std::is_same_v<U, std::int64_t>)
    return ElementType::i64;
  else if constexpr (std::is_same_v<U, std::uint32_t>)
    return ElementType::u32;
  else if constexpr (std::is_same_v<U, std::uint64_t>)
    return ElementType::u64;
  else {
    static_assert(std::is_same_v<U, std::uint8_t>, "an operand's element type is not known here");
    return ElementType::u8;
  }
}

/// One operand with its type erased, as observers and checks see it.
struct Operand {
  std::string_view name;
  const void* data = nullptr;
  std::size_t rows = 0, columns = 0, pitch = 0;
  ElementType type = ElementType::f32;
  std::size_t element_size = 0;
  bool is_output = false;

  std::size_t payload_bytes() const { return rows * columns * element_size; }
  std::size_t span_bytes() const { return rows == 0 ? 0 : ((rows - 1) * pitch + columns) * element_size; }
};

template <class T>
Operand describe(std::string_view name, const MatrixView<T>& v) {
  return {name, v.data, v.rows, v.columns, v.pitch, element_type<T>(), sizeof(T), !std::is_const_v<T>};
}
template <class T>
Operand describe(std::string_view name, const VectorView<T>& v) {
  return {name, v.data, v.size == 0 ? 0u : 1u, v.size, v.size, element_type<T>(), sizeof(T), !std::is_const_v<T>};
}

/// Every operand of `op`; a CSR operand counts as its three arrays. Absent (null, empty) optional operands are left
/// out.
template <class Op>
std::vector<Operand> operands_of(const Op& op) {
  std::vector<Operand> list;
  auto add = [&](Operand o) {
    if (o.data != nullptr && o.rows * o.columns > 0) list.push_back(o);
  };
  op.operands([&]<class V>(std::string_view name, const V& view) {
    if constexpr (requires { view.row_offsets; }) {
      add(describe(name, view.row_offsets));
      add(describe(name, view.columns));
      add(describe(name, view.values));
    } else {
      add(describe(name, view));
    }
  });
  return list;
}

/// Bytes of every operand once, and `flops`: the cost of an operation bound by memory.
template <class Op>
Cost memory_cost(const Op& op, double flops) {
  Cost cost{0, flops, Ceiling::memory};
  for (const Operand& o : operands_of(op)) cost.bytes += static_cast<double>(o.payload_bytes());
  return cost;
}

template <class Op, class T>
void require_shape(const Op&, std::string_view operand, const MatrixView<T>& v, std::size_t rows, std::size_t columns) {
  require(v.rows == rows && v.columns == columns, Op::name, ": ", operand, " is ", v.rows, " x ", v.columns,
          " but must be ", rows, " x ", columns);
}
template <class Op, class T>
void require_size(const Op&, std::string_view operand, const VectorView<T>& v, std::size_t size) {
  require(v.size == size, Op::name, ": ", operand, " has ", v.size, " elements but must have ", size);
}

/// Whether two operands have an element in common.
bool share_memory(const Operand& first, const Operand& second);

/// Pitches, alignment and aliasing of every operand; throws Error that names operation and operand.
void check_operands(std::string_view operation, const std::vector<Operand>& operands, bool in_place);

// The executors. One implementation of execute() each, as explicit specialisations in x.cpp and x.cu: a forgotten one
// does not link.
struct Cpu;
struct Emulated;
struct Cuda;
template <class Executor, class Op>
void execute(Executor&, const Op&);

/// Defines execute() of one operation as a call of `function(executor, op)`, which is usually a template.
#define PERTURBINE_EXECUTE(Executor, function, ...)         \
  template <>                                               \
  void execute(Executor& executor, const __VA_ARGS__& op) { \
    function(executor, op);                                 \
  }

template <class Op>
concept Operation = requires(const Op& op) {
  { Op::name } -> std::convertible_to<std::string_view>;
  op.check();
  { op.cost() } -> std::same_as<Cost>;
};

}  // namespace perturbine

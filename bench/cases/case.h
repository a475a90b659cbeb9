// One list of cases with many uses: kernel tests on every executor, gradient checks, sanitizer runs and benches.
//
// A case is an operation at a shape in an element type. Adding an operation means adding one file here with a builder
// (which operands, how large, filled with what) and its line in cases.cpp.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bench/cases/operands.h"

namespace perturbine::reference {
/// The oracle: plain double loops, one specialisation per operation in tests/reference.
template <class Op>
void execute(const Op&);
}  // namespace perturbine::reference

namespace perturbine::cases {

struct Shape {
  std::array<std::size_t, 4> size{};
  std::size_t operator[](std::size_t i) const { return size[i]; }
  std::string name() const {
    std::string s;
    for (const std::size_t n : size)
      if (n != 0) s += (s.empty() ? "" : "x") + std::to_string(n);
    return s;
  }
};

/// How far an executor may stand from the oracle: |error| <= relative |reference| + scaled * scale, where the scale is
/// the largest reference of the operand, or the sum of absolute terms where the case gives it.
struct Tolerance {
  double f32 = 5e-6, bf16 = 1e-2, scaled = 1e-6;
};

/// An operation with its operands in memory, ready to run.
struct Instance {
  virtual ~Instance() = default;
  virtual void run(Queue& queue) = 0;                                 // on an executor
  virtual void run_with(Queue& queue, Module::Execute function) = 0;  // the same by another function
  virtual const char* operation_type() const = 0;                     // of the type's name, as Module::find takes it
  virtual void run_reference() = 0;                                   // by the oracle; only for instances in double
  virtual Cost cost() const = 0;
  virtual std::vector<Buffer>& buffers() = 0;
  Buffer* find(const std::string& name) {
    for (Buffer& b : buffers())
      if (b.name == name) return &b;
    return nullptr;
  }
};

struct Case {
  std::string operation, variant, type;
  Shape shape;
  Tolerance tolerance;
  bool for_bench = false;  // large: timed, not tested
  /// In the type under test, on a queue's device.
  std::function<std::unique_ptr<Instance>(Queue&, Layout)> instance;
  /// In double with the same contents; `absolute`: every real input by its absolute value, so that the outputs of a
  /// linear operation are sums of absolute terms.
  std::function<std::unique_ptr<Instance>(bool absolute)> oracle;
  bool linear = false;
  std::string name() const {
    return operation + (variant.empty() ? "" : "." + variant) + "/" + type + "/" + shape.name();
  }
};

/// A backward operation and the forward one it differentiates: gradient d<operand> of every input <operand>.
struct GradientPair {
  std::string forward, backward;
};

namespace detail {

template <class T, class Op>
struct InstanceOf final : Instance {
  template <class Builder>
  InstanceOf(Queue* queue, Layout layout, const Shape& shape, const Builder& builder,
             std::function<double(double)> round)
      : memory(queue, layout), op([&] {
          Operands<T> operands(memory, std::move(round));
          return builder(operands, shape);
        }()) {}
  void run(Queue& queue) override {
    if constexpr (!std::is_same_v<T, double>) queue.run(op);
  }
  void run_with(Queue& queue, Module::Execute function) override {
    if constexpr (!std::is_same_v<T, double>) queue.run_with(function, op);
  }
  const char* operation_type() const override { return typeid(Op).name(); }
  void run_reference() override {
    if constexpr (std::is_same_v<T, double>) {
      op.check();
      reference::execute(op);
    }
  }
  Cost cost() const override { return op.cost(); }
  std::vector<Buffer>& buffers() override { return memory.buffers; }
  OperandMemory memory;
  Op op;
};

template <class T, class Builder>
std::unique_ptr<Instance> make(Queue* queue, Layout layout, const Shape& shape, const Builder& builder,
                               std::function<double(double)> round) {
  using Op = decltype(builder(std::declval<Operands<T>&>(), shape));
  return std::make_unique<InstanceOf<T, Op>>(queue, layout, shape, builder, std::move(round));
}

}  // namespace detail

/// Type lists for CaseList::add.
template <class... T>
struct Types {};
using FloatOnly = Types<float>;
using FloatAndBfloat16 = Types<float, bfloat16>;

struct CaseOptions {
  std::string variant;
  Tolerance tolerance{};
  bool linear = false;
  bool for_bench = false;
};

class CaseList {
 public:
  std::vector<Case> cases;
  std::vector<GradientPair> gradients;

  template <class... T, class Builder>
  void add(Types<T...>, const std::string& operation, const std::vector<Shape>& shapes, Builder builder,
           CaseOptions options = {}) {
    (add_type<T>(operation, shapes, builder, options), ...);
  }
  void gradient(std::string forward, std::string backward) {
    gradients.push_back({std::move(forward), std::move(backward)});
  }

  const Case* find(const std::string& operation, const std::string& type, const Shape& shape) const {
    for (const Case& c : cases)
      if (c.operation + (c.variant.empty() ? "" : "." + c.variant) == operation && c.type == type &&
          c.shape.size == shape.size)
        return &c;
    return nullptr;
  }

 private:
  template <class T, class Builder>
  void add_type(const std::string& operation, const std::vector<Shape>& shapes, Builder builder,
                const CaseOptions& options) {
    for (const Shape& shape : shapes) {
      Case c{operation, options.variant,   std::is_same_v<T, float> ? "f32" : "bf16",
             shape,     options.tolerance, options.for_bench,
             nullptr,   nullptr,           options.linear};
      auto round = [](double v) { return static_cast<double>(convert<T>(v)); };
      c.instance = [=](Queue& queue, Layout layout) { return detail::make<T>(&queue, layout, shape, builder, round); };
      c.oracle = [=](bool absolute) {
        return detail::make<double>(nullptr, Layout::dense, shape, builder,
                                    absolute
                                        ? std::function<double(double)>([=](double v) { return std::abs(round(v)); })
                                        : std::function<double(double)>(round));
      };
      cases.push_back(std::move(c));
    }
  }
};

/// Every case of every operation.
const CaseList& all_cases();

}  // namespace perturbine::cases

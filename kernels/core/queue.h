// A Queue is where work happens: an executor with its device, stream, workspace and handles, and optional observers.
#pragma once
#include <functional>
#include <memory>
#include <typeinfo>
#include <vector>

#include "kernels/core/executors.h"
#include "kernels/core/module.h"
#include "kernels/core/observer.h"
#include "kernels/core/operation.h"

namespace perturbine {

enum class Device { cpu, emulated, cuda };

struct QueueOptions {
  int threads = 0;         // 0: one per core
  int ordinal = 0;         // which GPU
  void* stream = nullptr;  // a caller's cudaStream_t to work on; null: the queue makes its own
  Math math = Math::f32;   // rounding of the matrix products that models run
};

/// Work captured once and replayed; see Queue::capture.
class CapturedWork {
 public:
  void run() const { run_(); }

 private:
  friend class Queue;
  std::function<void()> run_;
};

class Queue {
 public:
  explicit Queue(Device device, QueueOptions options = {});
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Checks and executes one operation. On a GPU the call returns before the work is done.
  template <Operation Op>
  void run(const Op& op) {
    execute_observed(op, [&] { dispatch(op); });
  }
  /// The same by another function than the library's: one of this queue's executor (Cpu, Emulated or Cuda).
  template <Operation Op>
  void run_with(Module::Execute function, const Op& op) {
    execute_observed(op, [&] { function(module_ == nullptr ? static_cast<void*>(cpu_.get()) : executor_.get(), &op); });
  }

  Device device() const { return device_; }
  Math math() const { return options_.math; }
  int threads() const { return options_.threads; }
  /// The CPU executor, for host-side work beside the operations (on the CPU it is the one the operations use).
  Cpu& cpu() { return *cpu_; }

  void add_observer(Observer* observer) { observers_.push_back(observer); }
  void clear_observers() { observers_.clear(); }
  bool observed() const { return !observers_.empty(); }

  /// Memory of this queue's device, 256-byte aligned, uninitialised.
  std::shared_ptr<void> allocate(std::size_t bytes);
  /// Copies between host memory and this device, or within it, in order with the operations.
  void copy(void* to, const void* from, std::size_t bytes);
  /// Copies host memory that may change or go away once the call returns; in order with the operations, without waiting
  /// for those before. Not within capture().
  void upload(void* to, const void* from, std::size_t bytes);
  /// Copies from this device to host memory and waits for it.
  void read(void* to, const void* from, std::size_t bytes);
  void synchronise();

  /// Runs `work` once while capturing it, where the device can; run() of the result repeats it with the same addresses.
  /// Without capture (CPU, or while observers are attached) the same call simply runs `work` again.
  CapturedWork capture(std::function<void()> work);

  /// Runs two pieces of work of which neither writes what the other reads or writes; where the device can, on two
  /// branches. Throws Error that names the operands if they do share memory, on every device. Without branches, and
  /// while observers are attached, one after the other.
  void beside(const std::function<void()>& first, const std::function<void()>& second);

 private:
  template <class Op, class Execute>
  void execute_observed(const Op& op, Execute&& execute_it) {
    const std::vector<Operand> operands = operands_of(op);
    check_operands(
        Op::name, operands, requires { Op::in_place; });
    op.check();
    if (footprint_ != nullptr) footprint_->insert(footprint_->end(), operands.begin(), operands.end());
    const NamedRange range(module_, Op::name.data());  // a literal, so it ends with a zero
    if (observers_.empty()) {
      execute_it();
      return;
    }
    const OperationRecord record{Op::name, op.cost(), operands};
    for (Observer* o : observers_) o->before(*this, record);
    execute_it();
    for (Observer* o : observers_) o->after(*this, record);
  }

  template <class Op>
  void dispatch(const Op& op) {
    if (module_ == nullptr) {
      execute(*cpu_, op);
      return;
    }
    const Module::Execute function = module_->find(typeid(Op).name());
    require(function != nullptr, Op::name, ": the ", module_->name, " module does not have this operation");
    function(executor_.get(), &op);
  }
  struct NamedRange {
    NamedRange(const Module* m, const char* name) : module(m) {
      if (module != nullptr && module->begin_range != nullptr) module->begin_range(name);
    }
    ~NamedRange() {
      if (module != nullptr && module->end_range != nullptr) module->end_range();
    }
    NamedRange(const NamedRange&) = delete;
    NamedRange& operator=(const NamedRange&) = delete;
    const Module* module;
  };

  Device device_;
  QueueOptions options_;
  std::unique_ptr<Cpu> cpu_;
  const Module* module_ = nullptr;
  std::shared_ptr<void> executor_;
  std::vector<Observer*> observers_;
  std::vector<Operand>* footprint_ = nullptr;  // of the piece of work that runs now, within beside()
};

}  // namespace perturbine

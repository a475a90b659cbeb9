#include "kernels/core/queue.h"

#include <cstring>
#include <new>

namespace perturbine {

Queue::Queue(Device device, QueueOptions options) : device_(device), options_(options) {
  cpu_ = std::make_unique<Cpu>(options.threads);
  options_.threads = cpu_->pool.threads();
  if (device == Device::cpu) return;
  const char* reason = "";
  module_ = device == Device::cuda ? cuda_module(&reason) : emulated_module();
  require_input(module_ != nullptr, device == Device::cuda ? "device cuda: " : "device emulated: ",
                device == Device::cuda ? reason : "this program does not contain the emulator");
  const Module* module = module_;
  executor_ = std::shared_ptr<void>(module->create(options.ordinal, options.stream, options_.threads),
                                    [module](void* executor) { module->destroy(executor); });
}

Queue::~Queue() = default;

std::shared_ptr<void> Queue::allocate(std::size_t bytes) {
  if (bytes == 0) bytes = 1;
  if (module_ != nullptr && module_->allocate != nullptr) {
    const Module* module = module_;
    auto executor = executor_;
    return {module->allocate(executor.get(), bytes),
            [module, executor](void* p) { module->release(executor.get(), p); }};
  }
  constexpr std::align_val_t alignment{256};
  return {::operator new(bytes, alignment), [](void* p) { ::operator delete(p, alignment); }};
}

void Queue::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  require(footprint_ == nullptr, "copies have no place in two pieces of work beside each other");
  if (module_ != nullptr && module_->copy != nullptr)
    module_->copy(executor_.get(), to, from, bytes);
  else
    std::memcpy(to, from, bytes);
}

void Queue::upload(void* to, const void* from, std::size_t bytes) {
  if (module_ == nullptr || module_->upload == nullptr) {
    copy(to, from, bytes);
  } else if (bytes != 0) {
    require(footprint_ == nullptr, "copies have no place in two pieces of work beside each other");
    module_->upload(executor_.get(), to, from, bytes);
  }
}

void Queue::read(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes);
  synchronise();
}

void Queue::synchronise() {
  if (module_ != nullptr && module_->synchronise != nullptr) module_->synchronise(executor_.get());
}

CapturedWork Queue::capture(std::function<void()> work) {
  CapturedWork captured;
  if (module_ == nullptr || module_->begin_capture == nullptr || observed()) {
    work();
    captured.run_ = std::move(work);
    return captured;
  }
  work();  // once without capture: libraries choose algorithms and allocate workspaces
  const Module* module = module_;
  module->begin_capture(executor_.get());
  try {
    work();
  } catch (...) {
    try {  // the stream must not stay in capture
      module->destroy_graph(module->end_capture(executor_.get()));
    } catch (const Error&) {
    }
    throw;
  }
  auto executor = executor_;
  std::shared_ptr<void> graph(module->end_capture(executor.get()), [module](void* g) { module->destroy_graph(g); });
  captured.run_ = [module, executor, graph] { module->launch_graph(executor.get(), graph.get()); };
  return captured;
}

void Queue::beside(const std::function<void()>& first, const std::function<void()>& second) {
  require(footprint_ == nullptr, "two pieces of work beside each other hold no third");
  std::vector<Operand> of_first, of_second;
  struct Watched {
    ~Watched() { watching = nullptr; }
    std::vector<Operand>*& watching;
  };
  const bool branches = module_ != nullptr && module_->begin_branch != nullptr && !observed();
  {
    const Watched watched{footprint_};
    footprint_ = &of_first;
    if (branches) module_->begin_branch(executor_.get());
    try {
      first();
    } catch (...) {
      if (branches) module_->end_branch(executor_.get()), module_->join_branch(executor_.get());
      throw;
    }
    footprint_ = &of_second;
    if (branches) module_->end_branch(executor_.get());
    try {
      second();
    } catch (...) {
      if (branches) module_->join_branch(executor_.get());
      throw;
    }
    if (branches) module_->join_branch(executor_.get());
  }
  for (const Operand& a : of_first)
    for (const Operand& b : of_second)
      require((!a.is_output && !b.is_output) || !share_memory(a, b), "work side by side: ", a.name, " of one overlaps ",
              b.name, " of the other, and one of them is written");
}

}  // namespace perturbine

// The emulated module, with what a GPU's streams do beside running operations: graphs and branches. A graph keeps
// copies of the operations and so sees what a captured graph sees: addresses, not what the host meant. The operations
// of a branch run after those beside it. What a GPU refuses during a capture is refused here.
#include "kernels/emulator/install.h"

#include <cstring>
#include <new>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/executors.h"
#include "kernels/core/module_table.h"

namespace perturbine {
namespace {

struct Executor : Emulated {
  using Emulated::Emulated;
  std::vector<Work> graph, branch;
  bool capturing = false;
  std::string fault;  // what a GPU would have refused during this capture

  void refuse_in_capture(const char* what) {
    if (capturing && fault.empty()) fault = what;
  }
};

Executor& self(void* e) { return *static_cast<Executor*>(static_cast<Emulated*>(e)); }
constexpr std::align_val_t alignment{256};

}  // namespace

void install_emulator() {
  static const Module module = [] {
    Module m;
    m.version = Module::current_version;
    m.name = "emulated";
    m.create = [](int, void*, int threads) -> void* { return static_cast<Emulated*>(new Executor(threads)); };
    m.destroy = [](void* e) { delete &self(e); };
    m.allocate = [](void* e, std::size_t bytes) {
      self(e).refuse_in_capture("memory was allocated");
      return ::operator new(bytes, alignment);
    };
    m.release = [](void* e, void* p) {
      self(e).refuse_in_capture("memory was released");
      ::operator delete(p, alignment);
    };
    m.copy = [](void* e, void* to, const void* from, std::size_t bytes) {
      if (self(e).postponed == nullptr)
        std::memcpy(to, from, bytes);
      else
        self(e).postponed->push_back([=](Emulated&) { std::memcpy(to, from, bytes); });
    };
    m.upload = [](void* e, void* to, const void* from, std::size_t bytes) {
      self(e).refuse_in_capture("host memory was uploaded");
      std::memcpy(to, from, bytes);
    };
    m.synchronise = [](void* e) { self(e).refuse_in_capture("the host waited for the device"); };
    m.find = &find_operation<Emulated>;
    m.begin_capture = [](void* p) {
      Executor& e = self(p);
      require(!e.capturing, "emulator: a capture within a capture");
      e.graph.clear(), e.fault.clear();
      e.capturing = true;
      e.postponed = &e.graph;
    };
    m.end_capture = [](void* p) -> void* {
      Executor& e = self(p);
      e.capturing = false;
      e.postponed = nullptr;
      require(e.fault.empty(), "emulator: ", e.fault, " while work was captured; a GPU refuses that");
      return new std::vector<Emulated::Work>(std::move(e.graph));
    };
    m.launch_graph = [](void* e, void* graph) {
      for (const auto& work : *static_cast<std::vector<Emulated::Work>*>(graph)) work(self(e));
    };
    m.destroy_graph = [](void* graph) { delete static_cast<std::vector<Emulated::Work>*>(graph); };
    m.begin_branch = [](void* p) {
      self(p).branch.clear();
      self(p).postponed = &self(p).branch;
    };
    m.end_branch = [](void* p) { self(p).postponed = self(p).capturing ? &self(p).graph : nullptr; };
    m.join_branch = [](void* p) {
      Executor& e = self(p);
      for (Emulated::Work& work : e.branch) {
        if (e.capturing)
          e.graph.push_back(std::move(work));
        else
          work(e);
      }
      e.branch.clear();
    };
    return m;
  }();
  install_emulated_module(&module);
}

}  // namespace perturbine

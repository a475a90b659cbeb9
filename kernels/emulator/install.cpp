#include "kernels/emulator/install.h"

#include "kernels/core/executors.h"
#include "kernels/core/module_table.h"

namespace perturbine {

void install_emulator() {
  static const Module module = [] {
    Module m;
    m.version = Module::current_version;
    m.name = "emulated";
    m.create = [](int, void*, int threads) -> void* { return new Emulated(threads); };
    m.destroy = [](void* e) { delete static_cast<Emulated*>(e); };
    m.find = &find_operation<Emulated>;
    return m;
  }();
  install_emulated_module(&module);
}

}  // namespace perturbine

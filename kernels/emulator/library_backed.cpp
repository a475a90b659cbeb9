// Operations that a GPU library (cuBLASLt, CUB) executes have no device code of ours: under the emulator their cpu
// version runs. Each says so by its `library` constant.
#include "kernels/operations.h"

#include "kernels/core/executors.h"

namespace perturbine {

#define PERTURBINE_ON_CPU(...)                       \
  template <>                                        \
  void execute(Emulated& e, const __VA_ARGS__& op) { \
    execute(e.cpu, op);                              \
  }
PERTURBINE_EACH_LIBRARY_OPERATION(PERTURBINE_ON_CPU)

}  // namespace perturbine

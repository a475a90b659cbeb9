// cuBLASLt behind the CUDA module: opened at run time, never linked, so that the module needs no library beside the
// driver.
#pragma once
#include "kernels/core/executors.h"

namespace perturbine {
/// Frees the handle and the cached plans of an executor.
void release_blas(Cuda& executor);
}  // namespace perturbine

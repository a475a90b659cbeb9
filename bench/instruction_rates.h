// How often a second one thread starts the instructions that matrix products consist of: what tells whether bfloat16
// products can be faster than f32 ones on a processor (kernels/dense/product_library.h).
#pragma once
#include <benchmark/benchmark.h>

namespace perturbine {
/// Adds instructions/fma_f32 and, where this processor has it, instructions/dot_bf16; nothing on other architectures.
void register_instruction_rates();
}  // namespace perturbine

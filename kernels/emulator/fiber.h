// One fiber: a stack with a guard page, and the switch between two of them. x86-64, System V calling convention.
#pragma once
#include <cstddef>
#include <cstdint>

namespace perturbine::emulator {

#if defined(__SANITIZE_ADDRESS__) || defined(PERTURBINE_EMULATOR_TSAN)
inline constexpr std::size_t stack_bytes = std::size_t{256} << 10;
#else
inline constexpr std::size_t stack_bytes = std::size_t{64} << 10;
#endif
inline constexpr std::size_t page_bytes = 4096;

/// Maps a stack with a guard page below it; `lowest` is the lowest usable byte.
char* map_stack(char** lowest);
void unmap_stack(char* stack);
/// The stack pointer of a fiber that will begin in `entry`. `colour` staggers stack tops: equal offsets would put every
/// fiber's frame in the same cache sets.
void* initial_stack_pointer(char* stack, std::size_t colour, void (*entry)());

}  // namespace perturbine::emulator

/// Saves the callee-saved registers and the stack pointer in *save, continues on stack `to`.
extern "C" void perturbine_emulator_switch(void** save, void* to);

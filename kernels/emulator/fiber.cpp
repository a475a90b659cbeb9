#include "kernels/emulator/fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

asm(R"(
  .text
  .globl perturbine_emulator_switch
  .type perturbine_emulator_switch, @function
perturbine_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx   # not ret: the return predictor never guesses a switch
  .size perturbine_emulator_switch, .-perturbine_emulator_switch
)");

namespace perturbine::emulator {

char* map_stack(char** lowest) {
  void* memory = mmap(nullptr, stack_bytes + page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page_bytes, PROT_NONE);
  *lowest = static_cast<char*>(memory) + page_bytes;
  return static_cast<char*>(memory);
}

void unmap_stack(char* stack) {
#if defined(__SANITIZE_ADDRESS__)
  // g++ 12's munmap leaves the marks of a stack's variables at these addresses, which may be anybody's next.
  ASAN_UNPOISON_MEMORY_REGION(stack, stack_bytes + page_bytes);
#endif
  munmap(stack, stack_bytes + page_bytes);
}

void* initial_stack_pointer(char* stack, std::size_t colour, void (*entry)()) {
  const auto end = reinterpret_cast<std::uintptr_t>(stack + page_bytes + stack_bytes) - colour;
  auto* top = reinterpret_cast<void**>(end & ~std::uintptr_t{15});
  top[-1] = nullptr;  // the return address of `entry`, which never returns
  top[-2] = reinterpret_cast<void*>(entry);
  return top - 8;
}

}  // namespace perturbine::emulator

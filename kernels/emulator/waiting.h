// What the threads of a block wait in: barriers, meetings of warps, and queues of those that may go on.
#pragma once
#include <utility>
#include <vector>

#include "kernels/emulator/emulator.h"

namespace perturbine::emulator {

enum class State : std::uint8_t { idle, ready, at_barrier, in_warp };

struct Fiber {
  void* stack_pointer = nullptr;
  char *stack = nullptr, *lowest = nullptr;
  uint3 thread{}, block{};
  int rank = 0, linear = 0;  // of the block in its cluster, of the thread in its block
  State state = State::idle;
  Site site{};
  void* sanitizer = nullptr;  // ASan: fake stack; TSan: fiber context
};

// Lanes of one warp meeting under one mask. Two slots alternate, so that a fast lane may deposit for the next meeting
// while a slow one still reads this one.
struct Meeting {
  unsigned mask = 0, arrived = 0, unread = 0;
  int parity = 0;
  char token[2];
  std::uint64_t slot[2][32];
  Fiber* waiter[32];
};
struct Warp {
  Meeting meetings[8];
};

// A ring with room for every thread of a block: nothing is allocated while a block runs (a sanitizer would see it).
struct FiberQueue {
  std::vector<Fiber*> ring;
  std::size_t head = 0, count = 0;
  Fiber*& at(std::size_t i) { return ring[(head + i) % ring.size()]; }
  void push(Fiber* f) { at(count++) = f; }
  Fiber* pop() {
    Fiber* f = at(0);
    head = (head + 1) % ring.size();
    --count;
    return f;
  }
  Fiber* pop_back() { return at(--count); }
  Fiber* pop_at(std::size_t i) {
    std::swap(at(0), at(i));
    return pop();
  }
};

// Threads of a block, or of a cluster, that wait for one another.
struct Barrier {
  int threads = 0, waiting = 0, exited = 0, parity = 0;
  char token[2] = {};
  std::vector<Fiber*> arrived;
  void reset(int count) {
    threads = count;
    waiting = exited = 0;
    arrived.clear();
    arrived.reserve(static_cast<std::size_t>(count));
  }
};

}  // namespace perturbine::emulator

// A module supplies an executor that the core library does not contain: the CUDA module is opened at run time, so that
// nothing needs CUDA to start; the emulated one is linked into tests. A module is a table of plain functions.
#pragma once
#include <cstddef>

namespace perturbine {

struct Module {
  static constexpr int current_version = 3;
  using Execute = void (*)(void* executor, const void* operation);

  int version = 0;
  const char* name = nullptr;
  void* (*create)(int ordinal, void* stream, int threads) = nullptr;
  void (*destroy)(void* executor) = nullptr;
  void* (*allocate)(void* executor, std::size_t bytes) = nullptr;
  void (*release)(void* executor, void* pointer) = nullptr;
  /// Copies in stream order; either side may be host or device memory.
  void (*copy)(void* executor, void* to, const void* from, std::size_t bytes) = nullptr;
  /// Copies host memory that may change once the call returns, without waiting for the device.
  void (*upload)(void* executor, void* to, const void* from, std::size_t bytes) = nullptr;
  void (*synchronise)(void* executor) = nullptr;
  /// The function that executes an operation, by the mangled name of its type; null if there is none.
  Execute (*find)(const char* operation) = nullptr;
  /// Capturing work into a graph; null where the executor has none.
  void (*begin_capture)(void* executor) = nullptr;
  void* (*end_capture)(void* executor) = nullptr;
  void (*launch_graph)(void* executor, void* graph) = nullptr;
  void (*destroy_graph)(void* graph) = nullptr;
  /// Work enqueued between the first two runs on a branch of its own, beside what is enqueued after the second; the
  /// third makes everything after it wait for both. Null where the executor has no branches.
  void (*begin_branch)(void* executor) = nullptr;
  void (*end_branch)(void* executor) = nullptr;
  void (*join_branch)(void* executor) = nullptr;
  /// Names what is enqueued between the two for a profiler's timeline; null where there is none to tell.
  void (*begin_range)(const char* name) = nullptr;
  void (*end_range)() = nullptr;
  /// One line about the device.
  const char* (*describe)(int ordinal) = nullptr;
  int (*device_count)() = nullptr;
};

/// The CUDA module, opened on first use; null with a reason where it cannot be (not built, no driver, no GPU).
const Module* cuda_module(const char** reason = nullptr);

/// The emulated module, once a program that links it has installed it; else null.
const Module* emulated_module();
void install_emulated_module(const Module* module);

}  // namespace perturbine

// What each executor carries. None of them needs a CUDA header.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/core/thread_pool.h"

namespace perturbine {

/// How matrix products round their inputs: f32 exactly, tf32 to 10 bits of mantissa (a GPU mode; the same as f32 on
/// the CPU), bf16 to 7 bits. Sums are always f32.
enum class Math { f32, tf32, bf16 };

/// A buffer that only grows: scratch memory of one operation, valid until the next operation asks.
class Workspace {
 public:
  template <class T>
  T* get(std::size_t count) {
    const std::size_t bytes = count * sizeof(T) + 64;
    if (storage_.size() * sizeof(Line) < bytes) storage_.resize((bytes + sizeof(Line) - 1) / sizeof(Line));
    return reinterpret_cast<T*>(storage_.data());
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> storage_;
};

struct Cpu {
  explicit Cpu(int threads) : pool(threads) {}
  ThreadPool pool;
  Workspace workspace;
};

/// Device code compiled by the host compiler and run by kernels/emulator. Operations backed by a library (cuBLASLt,
/// CUB) run their cpu version.
struct Emulated {
  using Work = std::function<void(Emulated&)>;
  explicit Emulated(int threads) : cpu(threads) {}
  Cpu cpu;
  Workspace workspace;
  std::vector<Work>* postponed = nullptr;  // not null: work is kept here, for a graph or a branch, and not done
};

/// Handles of one GPU, owned by the CUDA module.
struct Cuda {
  void* stream = nullptr;
  void* blas = nullptr;            // cublasLtHandle_t
  void* blas_plans = nullptr;      // cached algorithm choices
  void* workspace_data = nullptr;  // device memory
  std::size_t workspace_bytes = 0;
  int ordinal = 0;
};

}  // namespace perturbine

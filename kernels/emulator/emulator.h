// CUDA's execution model on a CPU, for running and sanitising device code where there is no GPU.
//
// A block runs on one OS thread. Its CUDA threads are fibers that switch only where CUDA lets threads wait for one
// another: __syncthreads and the *_sync warp collectives. A thread that never waits costs a function call.
//
// This header is the CUDA vocabulary our kernels use, as ordinary C++. What it does not model: coalescing, bank
// conflicts, occupancy, weak memory ordering, asynchronous copies, clusters, inline PTX.
#pragma once
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static thread_local  // one block per OS thread at a time

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim{}, gridDim{};
inline constexpr int warpSize = 32;

namespace perturbine::emulator {

using Site = std::source_location;
struct Kernel {
  void (*call)(void* closure);
  void* closure;
};

enum class Order { forward, reverse, random };  // in which order runnable threads and blocks are resumed
struct Settings {
  int workers = 1;
  Order order = Order::forward;
  unsigned seed = 1;
};
/// Settings of the calling process; tests change them between launches.
Settings& settings();

/// Runs every block of the grid; returns when all are done. `cluster` neighbouring blocks in x run together; grid.x is
/// a multiple of it.
void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, Kernel kernel, unsigned cluster = 1);
void* dynamic_shared_bytes();
void synchronise_block(Site);
/// Of a cluster: its barrier, this block's number in it, and a place of this block's dynamic shared memory in that of
/// another. Static __shared__ memory is not one per block there.
void synchronise_cluster(Site);
unsigned rank_in_cluster();
void* shared_of_block(const void* mine, unsigned rank);
void synchronise_warp(unsigned mask, Site);
/// All lanes of `mask` deposit 8 bytes; when the last arrives each gets the value of lane `from` (from < 0: none
/// wanted). Returns the lanes whose deposit was non-zero.
unsigned exchange(unsigned mask, std::uint64_t value, int from, std::uint64_t* out, Site);
int lane();

template <class T>
T shuffle(unsigned mask, T value, int from, bool in_range, Site site) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0, got = 0;
  std::memcpy(&bits, &value, sizeof value);
  exchange(mask, bits, in_range ? from : lane(), &got, site);
  std::memcpy(&value, &got, sizeof value);
  return value;
}

}  // namespace perturbine::emulator

// CUDA's own names.
inline void __syncthreads(perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  perturbine::emulator::synchronise_block(s);
}
inline void __syncwarp(unsigned m = ~0u, perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  perturbine::emulator::synchronise_warp(m, s);
}
inline unsigned __ballot_sync(unsigned m, int p, perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  return perturbine::emulator::exchange(m, p != 0, -1, nullptr, s);
}
inline int __any_sync(unsigned m, int p, perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  return __ballot_sync(m, p, s) != 0;
}
inline int __all_sync(unsigned m, int p, perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  return __ballot_sync(m, p, s) == m;
}
template <class T>
T __shfl_sync(unsigned m, T v, int from, int w = 32,
              perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  const int l = perturbine::emulator::lane();
  return perturbine::emulator::shuffle(m, v, (l & ~(w - 1)) + (from & (w - 1)), true, s);
}
template <class T>
T __shfl_xor_sync(unsigned m, T v, int x, int w = 32,
                  perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  const int l = perturbine::emulator::lane(), f = l ^ x;
  return perturbine::emulator::shuffle(m, v, f, f < (l & ~(w - 1)) + w, s);
}
template <class T>
T __shfl_down_sync(unsigned m, T v, unsigned d, int w = 32,
                   perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  const int l = perturbine::emulator::lane(), f = l + static_cast<int>(d);
  return perturbine::emulator::shuffle(m, v, f, f < (l & ~(w - 1)) + w, s);
}
template <class T>
T __shfl_up_sync(unsigned m, T v, unsigned d, int w = 32,
                 perturbine::emulator::Site s = perturbine::emulator::Site::current()) {
  const int l = perturbine::emulator::lane(), f = l - static_cast<int>(d);
  return perturbine::emulator::shuffle(m, v, f, f >= (l & ~(w - 1)), s);
}

template <class T>
T atomicAdd(T* p, T v) {
  return std::atomic_ref<T>(*p).fetch_add(v, std::memory_order_relaxed);
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(std::uint64_t{a} * b >> 32); }
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}

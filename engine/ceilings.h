// What the machine can do at best, measured: the rates that benches and studies are held against.
#pragma once
#include "engine/arena.h"

namespace perturbine {

/// Copy (bytes read and written) in GB/s, products in GFLOP/s with the queue's math.
struct Ceilings {
  double copy_gigabytes = 0, product_gigaflops = 0;
  /// Seconds that a cost takes at least: the longer of its bytes and, where products bound it, its flops.
  double least_seconds(const Cost& cost) const;
};

/// A copy of 64 MiB (256 on a GPU) in memory of its own, timed: the measure of memory at the moment.
class CopyProbe {
 public:
  explicit CopyProbe(Queue& queue);
  /// Seconds of one copy; `past_caches`: with stores that no later reader finds in a cache (CPU only).
  double seconds(bool past_caches = false);
  /// Bytes read and written.
  double bytes() const { return 2.0 * static_cast<double>(from_.size()) * sizeof(float); }

 private:
  Queue& queue_;
  Buffer<float> from_, to_;
};

/// Copies 64 MiB (256 on a GPU): the better of the library's copy and, on the CPU, of stores past the caches; and
/// multiplies two square matrices (1024, or 8192 on a GPU). The best of five of each.
Ceilings measure_ceilings(Queue& queue);

}  // namespace perturbine

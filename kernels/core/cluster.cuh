// Clusters: up to eight neighbouring blocks that run at the same time, wait for one another and read one another's
// dynamic shared memory (CUDA Programming Guide, "Thread Block Clusters"; compute capability 9.0 on). In the emulator
// the blocks of a cluster run together likewise.
#pragma once
#include "kernels/core/device.h"

#if defined(__CUDACC__)
#include <cooperative_groups.h>
#endif

namespace perturbine::PERTURBINE_DEVICE_NAMESPACE {

#if defined(__CUDACC__)

// For older architectures these compile to nothing: has_clusters() keeps such kernels from being launched there.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ __forceinline__ void cluster_synchronise() { cooperative_groups::this_cluster().sync(); }
__device__ __forceinline__ unsigned cluster_rank() { return cooperative_groups::this_cluster().block_rank(); }
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned rank) {
  return cooperative_groups::this_cluster().map_shared_rank(mine, rank);
}
#else
__device__ __forceinline__ void cluster_synchronise() {}
__device__ __forceinline__ unsigned cluster_rank() { return 0; }
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned) {
  return mine;
}
#endif

#else

/// Waits for every thread of the cluster; what they wrote before is seen after.
inline void cluster_synchronise(emulator::Site site = emulator::Site::current()) {
  emulator::synchronise_cluster(site);
}
inline unsigned cluster_rank() { return emulator::rank_in_cluster(); }
/// Where `mine`, a place in this block's dynamic shared memory, lies in that of block `rank`.
template <class T>
T* cluster_shared(T* mine, unsigned rank) {
  return static_cast<T*>(emulator::shared_of_block(mine, rank));
}

#endif

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

// The one header device code includes, and the only one that knows which compiler reads it: nvcc builds the kernels for
// a GPU, the host compiler builds the same text for the emulator.
//
// Kernels live in an anonymous namespace, shared device functions in PERTURBINE_DEVICE_NAMESPACE: both builds fit into
// one program. `extern __shared__` has no portable spelling; write dynamic_shared<T>().
#pragma once
#include <utility>

#include "kernels/core/executors.h"
#include "kernels/core/operation.h"

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define PERTURBINE_DEVICE_NAMESPACE cuda_device
/// Before a loop over an array that must stay in registers.
#define PERTURBINE_IN_REGISTERS _Pragma("unroll")

namespace perturbine {

static_assert(sizeof(bfloat16) == sizeof(__nv_bfloat16) && alignof(bfloat16) == alignof(__nv_bfloat16));

using DeviceExecutor = Cuda;

inline void check_cuda(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw Error(text("CUDA: ", what, ": ", cudaGetErrorString(status)));
}

namespace cuda_device {
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
}
}  // namespace cuda_device

/// The only launch site: <<<>>> and an error check.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Cuda& executor,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared_bytes > 48 * 1024)
    check_cuda(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
        "shared memory");
  kernel<<<grid, block, shared_bytes, static_cast<cudaStream_t>(executor.stream)>>>(
      static_cast<Parameters>(arguments)...);
  check_cuda(cudaGetLastError(), "launch");
}

/// The same with `cluster` neighbouring blocks in x as a cluster; see cluster.cuh.
template <class... Parameters, class... Arguments>
void launch_clusters(void (*kernel)(Parameters...), unsigned cluster, dim3 grid, dim3 block, std::size_t shared_bytes,
                     Cuda& executor, Arguments&&... arguments) {
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
             "shared memory");
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = cluster;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = block;
  configuration.dynamicSmemBytes = shared_bytes;
  configuration.stream = static_cast<cudaStream_t>(executor.stream);
  configuration.attrs = &attribute;
  configuration.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&configuration, kernel, static_cast<Parameters>(arguments)...), "launch");
}

/// Whether this GPU has clusters of blocks (compute capability 9.0 on).
inline bool has_clusters(const Cuda& executor) {
  int major = 0;
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, executor.ordinal), "compute capability");
  return major >= 9;
}

/// Scratch device memory of one operation; fixed per executor so that captured graphs may hold its address.
template <class T>
T* workspace(Cuda& executor, std::size_t count) {
  require(count * sizeof(T) <= executor.workspace_bytes, "CUDA: an operation needs a workspace of ", count * sizeof(T),
          " bytes but the queue has ", executor.workspace_bytes);
  return static_cast<T*>(executor.workspace_data);
}

}  // namespace perturbine

#else

#include "kernels/emulator/emulator.h"

#define PERTURBINE_DEVICE_NAMESPACE emulated_device
#define PERTURBINE_IN_REGISTERS

namespace perturbine {

using DeviceExecutor = Emulated;

namespace emulated_device {
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulator::dynamic_shared_bytes());
}
}  // namespace emulated_device

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Emulated&,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  emulator::run_grid(grid, block, shared_bytes, {[](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call});
}

template <class... Parameters, class... Arguments>
void launch_clusters(void (*kernel)(Parameters...), unsigned cluster, dim3 grid, dim3 block, std::size_t shared_bytes,
                     Emulated&, Arguments&&... arguments) {
  auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  emulator::run_grid(grid, block, shared_bytes, {[](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call},
                     cluster);
}
inline bool has_clusters(const Emulated&) { return true; }

template <class T>
T* workspace(Emulated& executor, std::size_t count) {
  return executor.workspace.get<T>(count);
}

}  // namespace perturbine

#endif

namespace perturbine {
/// Blocks of `per_block` items that cover `count`.
inline unsigned blocks_for(std::size_t count, std::size_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}
}  // namespace perturbine

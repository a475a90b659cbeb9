// The CUDA module: everything a Queue needs of a GPU behind one table of functions.
#include <cublasLt.h>
#include <nvtx3/nvToolsExt.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "kernels/core/device.h"
#include "kernels/core/module_table.h"
#include "kernels/cuda/blas.h"

namespace perturbine {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{64} << 20;

// Host memory that a GPU reads while the host goes on: filled piece by piece in two halves. A half is used again when
// every copy out of it is over.
struct Staging {
  static constexpr std::size_t half = std::size_t{4} << 20;
  char* memory = nullptr;
  std::size_t used = 0;
  int current = 0;
  cudaEvent_t over[2] = {};
  bool waiting[2] = {};

  // A copy of `bytes` <= half bytes that stays as it is until the stream has read it.
  const void* keep(const void* from, std::size_t bytes, cudaStream_t stream) {
    if (memory == nullptr) {
      check_cuda(cudaMallocHost(&memory, 2 * half), "pinned host memory");
      for (cudaEvent_t& e : over) check_cuda(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "making an event");
    }
    if (used + bytes > half) {
      check_cuda(cudaEventRecord(over[current], stream), "upload");
      waiting[current] = true;
      current ^= 1;
      used = 0;
      if (waiting[current]) check_cuda(cudaEventSynchronize(over[current]), "upload");
      waiting[current] = false;
    }
    char* to = memory + static_cast<std::size_t>(current) * half + used;
    std::memcpy(to, from, bytes);
    used += (bytes + 255) / 256 * 256;
    return to;
  }
  void release() {
    if (memory == nullptr) return;
    cudaFreeHost(memory);
    for (cudaEvent_t e : over) cudaEventDestroy(e);
  }
};

struct Executor : Cuda {
  bool owns_stream = false;
  Staging staging;
  // The other branch, made when first used, with a workspace of its own; exchanged with stream and workspace while work
  // goes there.
  void* other_stream = nullptr;
  void* other_workspace = nullptr;
  cudaEvent_t forked = nullptr, joined = nullptr;

  void exchange() {
    std::swap(stream, other_stream);
    std::swap(workspace_data, other_workspace);
  }
};
Executor& self(void* e) { return *static_cast<Executor*>(static_cast<Cuda*>(e)); }
cudaStream_t stream_of(void* e) { return static_cast<cudaStream_t>(self(e).stream); }

void* create(int ordinal, void* stream, int) {
  check_cuda(cudaSetDevice(ordinal), "choosing the device");
  auto e = std::make_unique<Executor>();
  e->ordinal = ordinal;
  if (stream == nullptr) {
    cudaStream_t made;
    check_cuda(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
    e->stream = made;
    e->owns_stream = true;
  } else {
    e->stream = stream;
  }
  check_cuda(cudaMalloc(&e->workspace_data, workspace_bytes), "workspace");
  e->workspace_bytes = workspace_bytes;
  return static_cast<Cuda*>(e.release());
}

void destroy(void* p) {
  Executor& e = self(p);
  cudaStreamSynchronize(static_cast<cudaStream_t>(e.stream));
  if (e.other_stream != nullptr) {
    cudaStreamDestroy(static_cast<cudaStream_t>(e.other_stream));
    cudaFree(e.other_workspace);
    cudaEventDestroy(e.forked), cudaEventDestroy(e.joined);
  }
  e.staging.release();
  cudaFree(e.workspace_data);
  if (e.owns_stream) cudaStreamDestroy(static_cast<cudaStream_t>(e.stream));
  release_blas(e);
  delete &e;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const Module* perturbine_module() {
  static const Module module = [] {
    Module m;
    m.version = Module::current_version;
    m.name = "cuda";
    m.create = &create;
    m.destroy = &destroy;
    m.allocate = [](void*, std::size_t bytes) {
      void* p = nullptr;
      check_cuda(cudaMalloc(&p, bytes), "out of device memory");
      return p;
    };
    m.release = [](void* e, void* p) {
      cudaStreamSynchronize(stream_of(e));
      cudaFree(p);
    };
    m.copy = [](void* e, void* to, const void* from, std::size_t bytes) {
      check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(e)), "copy");
    };
    m.upload = [](void* p, void* to, const void* from, std::size_t bytes) {
      if (bytes > Staging::half) {
        check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(p)), "copy");
        check_cuda(cudaStreamSynchronize(stream_of(p)), "copy");
        return;
      }
      const void* kept = self(p).staging.keep(from, bytes, stream_of(p));
      check_cuda(cudaMemcpyAsync(to, kept, bytes, cudaMemcpyHostToDevice, stream_of(p)), "copy");
    };
    m.synchronise = [](void* e) { check_cuda(cudaStreamSynchronize(stream_of(e)), "synchronise"); };
    m.find = &find_operation<Cuda>;
    m.begin_capture = [](void* e) {
      check_cuda(cudaStreamBeginCapture(stream_of(e), cudaStreamCaptureModeThreadLocal), "capture");
    };
    m.end_capture = [](void* e) -> void* {
      cudaGraph_t graph;
      check_cuda(cudaStreamEndCapture(stream_of(e), &graph), "end of capture");
      cudaGraphExec_t executable;
      check_cuda(cudaGraphInstantiate(&executable, graph, 0), "instantiating a graph");
      cudaGraphDestroy(graph);
      return executable;
    };
    m.launch_graph = [](void* e, void* graph) {
      check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(e)), "graph launch");
    };
    m.destroy_graph = [](void* graph) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); };
    m.begin_branch = [](void* p) {
      Executor& e = self(p);
      if (e.other_stream == nullptr) {
        cudaStream_t made;
        check_cuda(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
        e.other_stream = made;
        check_cuda(cudaMalloc(&e.other_workspace, workspace_bytes), "workspace of a branch");
        for (cudaEvent_t* event : {&e.forked, &e.joined})
          check_cuda(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "making an event");
      }
      check_cuda(cudaEventRecord(e.forked, stream_of(p)), "fork");
      e.exchange();
      check_cuda(cudaStreamWaitEvent(stream_of(p), e.forked, 0), "fork");
    };
    m.end_branch = [](void* p) {
      check_cuda(cudaEventRecord(self(p).joined, stream_of(p)), "end of a branch");
      self(p).exchange();
    };
    m.join_branch = [](void* p) { check_cuda(cudaStreamWaitEvent(stream_of(p), self(p).joined, 0), "join"); };
    m.begin_range = [](const char* name) { nvtxRangePushA(name); };
    m.end_range = [] { nvtxRangePop(); };
    m.describe = [](int ordinal) -> const char* {
      static thread_local std::string line;
      cudaDeviceProp p;
      if (cudaGetDeviceProperties(&p, ordinal) != cudaSuccess) return "";
      line = text(p.name, ", ", p.multiProcessorCount, " multiprocessors, ", p.totalGlobalMem >> 30, " GiB, compute ",
                  p.major, ".", p.minor);
      return line.c_str();
    };
    m.device_count = [] {
      int count = 0;
      return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
    };
    return m;
  }();
  return &module;
}

}  // namespace perturbine

// cuBLASLt, opened at run time. Row-major products are the column-major products of the transposes: c^T = op(b)^T
// op(a)^T. The algorithm of each shape is chosen once by the library's heuristic among those that sum in a fixed order.
#include <cublasLt.h>
#include <dlfcn.h>

#include <array>
#include <map>
#include <memory>

#include "kernels/core/device.h"
#include "kernels/cuda/blas.h"
#include "kernels/dense/epilogue.h"

namespace perturbine {
namespace {

struct Library {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulDescCreate) description_create;
  decltype(&cublasLtMatmulDescDestroy) description_destroy;
  decltype(&cublasLtMatmulDescSetAttribute) description_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
};

const Library& library() {
  static const Library lib = [] {
    void* handle = nullptr;
    for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"})
      if (handle == nullptr) handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    require(handle != nullptr,
            "cuBLASLt: libcublasLt.so was not found; install the CUDA toolkit's cuBLAS or set LD_LIBRARY_PATH");
    Library l;
    auto get = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
      require(function != nullptr, "cuBLASLt: the library has no ", name);
    };
    get(l.create, "cublasLtCreate");
    get(l.destroy, "cublasLtDestroy");
    get(l.matmul, "cublasLtMatmul");
    get(l.description_create, "cublasLtMatmulDescCreate");
    get(l.description_destroy, "cublasLtMatmulDescDestroy");
    get(l.description_set, "cublasLtMatmulDescSetAttribute");
    get(l.layout_create, "cublasLtMatrixLayoutCreate");
    get(l.layout_destroy, "cublasLtMatrixLayoutDestroy");
    get(l.preference_create, "cublasLtMatmulPreferenceCreate");
    get(l.preference_destroy, "cublasLtMatmulPreferenceDestroy");
    get(l.preference_set, "cublasLtMatmulPreferenceSetAttribute");
    get(l.heuristic, "cublasLtMatmulAlgoGetHeuristic");
    return l;
  }();
  return lib;
}

void check(cublasStatus_t status, const char* what) {
  require(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: ", what, " failed with status ", static_cast<int>(status));
}

struct Plan {
  cublasLtMatmulDesc_t description = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (a != nullptr) library().layout_destroy(a);
    if (b != nullptr) library().layout_destroy(b);
    if (c != nullptr) library().layout_destroy(c);
    if (description != nullptr) library().description_destroy(description);
  }
};

// m, n, k, pitches of a, b, c, and flags.
using Key = std::array<std::size_t, 7>;
using Plans = std::map<Key, std::unique_ptr<Plan>>;

cublasLtHandle_t handle_of(Cuda& executor) {
  if (executor.blas == nullptr) {
    cublasLtHandle_t h;
    check(library().create(&h), "creating a handle");
    executor.blas = h;
    executor.blas_plans = new Plans;
  }
  return static_cast<cublasLtHandle_t>(executor.blas);
}

// Rounding happens inside cuBLASLt: an operand that was rounded before is not needed here.
void multiply(Cuda& executor, const MatrixProduct<float>& op, const float* bias) {
  if (op.c.rows == 0 || op.c.columns == 0) return;
  const cublasLtHandle_t handle = handle_of(executor);
  const std::size_t m = op.c.rows, n = op.c.columns, k = op.inner();
  const std::size_t flags = static_cast<std::size_t>(op.transpose_a) | static_cast<std::size_t>(op.transpose_b) << 1 |
                            static_cast<std::size_t>(bias != nullptr) << 2 | static_cast<std::size_t>(op.math) << 3;
  std::unique_ptr<Plan>& plan =
      (*static_cast<Plans*>(executor.blas_plans))[{m, n, k, op.a.pitch, op.b.pitch, op.c.pitch, flags}];
  const bool fresh = plan == nullptr;
  if (fresh) {
    plan = std::make_unique<Plan>();
    const cublasComputeType_t compute = op.math == Math::bf16   ? CUBLAS_COMPUTE_32F_FAST_16BF
                                        : op.math == Math::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                : CUBLAS_COMPUTE_32F;
    check(library().description_create(&plan->description, compute, CUDA_R_32F), "describing a product");
    const cublasOperation_t first = op.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = op.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    auto set = [&](cublasLtMatmulDescAttributes_t name, const auto& value) {
      check(library().description_set(plan->description, name, &value, sizeof value), "setting an attribute");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, first);
    set(CUBLASLT_MATMUL_DESC_TRANSB, second);
    if (bias != nullptr) set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    auto layout = [&](cublasLtMatrixLayout_t& l, std::size_t rows, std::size_t columns, std::size_t pitch) {
      check(library().layout_create(&l, CUDA_R_32F, columns, rows, static_cast<std::int64_t>(pitch)),
            "describing a matrix");
    };
    layout(plan->a, op.b.rows, op.b.columns, op.b.pitch);
    layout(plan->b, op.a.rows, op.a.columns, op.a.pitch);
    layout(plan->c, m, n, op.c.pitch);
  }
  if (bias != nullptr)
    check(library().description_set(plan->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
          "setting the bias");
  if (fresh) {
    cublasLtMatmulPreference_t preference;
    check(library().preference_create(&preference), "a preference");
    const std::size_t bytes = executor.workspace_bytes;
    check(library().preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes),
          "a preference");
    // Partial sums of split products are added in a fixed order, never in place by atomics.
    const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
    check(library().preference_set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                                   sizeof reductions),
          "a preference");
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    const cublasStatus_t status = library().heuristic(handle, plan->description, plan->a, plan->b, plan->c, plan->c,
                                                      preference, 1, &result, &found);
    library().preference_destroy(preference);
    check(status, "choosing an algorithm");
    require(found > 0, "cuBLASLt: no algorithm for a product of ", m, " x ", n, " x ", k);
    plan->algorithm = result.algo;
  }
  const float one = 1, beta = op.accumulate ? 1.0f : 0.0f;
  check(library().matmul(handle, plan->description, &one, op.b.data, plan->a, op.a.data, plan->b, &beta, op.c.data,
                         plan->c, op.c.data, plan->c, &plan->algorithm, executor.workspace_data,
                         executor.workspace_bytes, static_cast<cudaStream_t>(executor.stream)),
        "a product");
}

void enqueue(Cuda& executor, const MatrixProduct<float>& op) { multiply(executor, op, nullptr); }

void enqueue(Cuda& executor, const Linear<float>& op) {
  const MatrixView<float> product = op.activation == Activation::none ? op.y : op.z;
  MatrixProduct<float> p{op.x, op.weight, product, false, true, false, op.math};
  multiply(executor, p, op.bias.data);
  if (op.activation == Activation::none && op.residual.data == nullptr) return;
  execute(executor, BiasActivation<float>{product, {}, op.residual, {}, op.y, op.activation});
}

}  // namespace

void release_blas(Cuda& executor) {
  delete static_cast<Plans*>(executor.blas_plans);
  if (executor.blas != nullptr) library().destroy(static_cast<cublasLtHandle_t>(executor.blas));
  executor.blas = executor.blas_plans = nullptr;
}

PERTURBINE_EXECUTE(Cuda, enqueue, MatrixProduct<float>)
PERTURBINE_EXECUTE(Cuda, enqueue, Linear<float>)

}  // namespace perturbine

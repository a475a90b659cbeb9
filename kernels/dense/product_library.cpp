#include "kernels/dense/product_library.h"

#include "kernels/core/bfloat16.h"
#include "kernels/core/error.h"

#if defined(PERTURBINE_BLAS_DNNL)
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <tuple>
extern "C" void omp_set_num_threads(int);
extern "C" int omp_get_max_threads();
#elif defined(PERTURBINE_BLAS_OPENBLAS)
extern "C" void openblas_set_num_threads(int);
extern "C" void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                            const float* a, int pitch_a, const float* b, int pitch_b, float beta, float* c,
                            int pitch_c);
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <algorithm>
#include <vector>

namespace perturbine::blas {
namespace {

// Our own loops: for builds without a library, and for bfloat16 where the library has none. Rows of c are summed in
// registers over blocks of k, so that the inner loop is a fused multiply-add over neighbouring columns.
template <class T>
void multiply_plain(const Tile& t, const T* a, const T* b, float* c) {
  std::vector<float> row(t.n);
  std::vector<float> packed;
  if (t.transpose_b) {  // once per tile, so that columns of the result are neighbours
    packed.resize(t.k * t.n);
    for (std::size_t j = 0; j < t.n; ++j)
      for (std::size_t k = 0; k < t.k; ++k) packed[k * t.n + j] = static_cast<float>(b[j * t.pitch_b + k]);
  }
  for (std::size_t i = 0; i < t.m; ++i) {
    for (std::size_t j = 0; j < t.n; ++j) row[j] = t.accumulate ? c[i * t.pitch_c + j] : 0.0f;
    for (std::size_t k = 0; k < t.k; ++k) {
      const float factor = static_cast<float>(t.transpose_a ? a[k * t.pitch_a + i] : a[i * t.pitch_a + k]);
      if (t.transpose_b) {
        const float* from = packed.data() + k * t.n;
#pragma omp simd
        for (std::size_t j = 0; j < t.n; ++j) row[j] += factor * from[j];
      } else {
        const T* from = b + k * t.pitch_b;
#pragma omp simd
        for (std::size_t j = 0; j < t.n; ++j) row[j] += factor * static_cast<float>(from[j]);
      }
    }
    for (std::size_t j = 0; j < t.n; ++j) c[i * t.pitch_c + j] = row[j];
  }
}

#if defined(PERTURBINE_BLAS_DNNL)
// The calling thread runs a library call alone; its own OpenMP setting comes back afterwards.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

dnnl::engine& engine() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}

// A product as a compiled primitive; one per shape and type, kept for the life of the program.
struct Primitive {
  dnnl::memory::desc a, b, c, scratch;
  dnnl::matmul product;
};

template <class T>
const Primitive& primitive_of(const Tile& t) {
  constexpr auto type = std::is_same_v<T, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  using Key =
      std::tuple<std::size_t, std::size_t, std::size_t, bool, bool, bool, std::size_t, std::size_t, std::size_t>;
  static std::mutex mutex;
  static std::map<Key, Primitive> cache;
  const Key key{t.m, t.n, t.k, t.transpose_a, t.transpose_b, t.accumulate, t.pitch_a, t.pitch_b, t.pitch_c};
  const std::lock_guard lock(mutex);
  if (const auto found = cache.find(key); found != cache.end()) return found->second;
  using dnnl::memory;
  auto size = [](std::size_t n) { return static_cast<memory::dim>(n); };
  auto strides = [&](bool transposed, std::size_t pitch) {
    return transposed ? memory::dims{1, size(pitch)} : memory::dims{size(pitch), 1};
  };
  const memory::desc a({size(t.m), size(t.k)}, type, strides(t.transpose_a, t.pitch_a));
  const memory::desc b({size(t.k), size(t.n)}, type, strides(t.transpose_b, t.pitch_b));
  const memory::desc c({size(t.m), size(t.n)}, memory::data_type::f32, strides(false, t.pitch_c));
  dnnl::primitive_attr attributes;
  // The library's own scratch memory belongs to the thread that made the primitive; any thread may run ours.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (t.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, engine());
  return cache.emplace(key, Primitive{a, b, c, description.scratchpad_desc(), dnnl::matmul(description)}).first->second;
}
#endif

}  // namespace

bool bfloat16_pays() {
#if defined(PERTURBINE_BLAS_DNNL) && defined(__x86_64__)
  static const bool pays = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool has_amx = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1) != 0;
    return has_amx || (__builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("avx512bf16") != 0);
  }();
  return pays;
#else
  return false;
#endif
}

#if defined(PERTURBINE_BLAS_DNNL)

namespace {
template <class T>
void multiply_by_primitive(const Tile& t, const T* a, const T* b, float* c) {
  const Primitive& p = primitive_of<T>(t);
  thread_local dnnl::stream stream(engine());
  dnnl::memory ma(p.a, engine(), const_cast<T*>(a)), mb(p.b, engine(), const_cast<T*>(b)), mc(p.c, engine(), c);
  thread_local Workspace workspace;
  const dnnl::memory scratch(p.scratch, engine(), workspace.get<std::byte>(p.scratch.get_size()));
  p.product.execute(stream,
                    {{DNNL_ARG_SRC, ma}, {DNNL_ARG_WEIGHTS, mb}, {DNNL_ARG_DST, mc}, {DNNL_ARG_SCRATCHPAD, scratch}});
  stream.wait();
}

// x weight^T runs 5-25 % faster as a primitive than as sgemm, which is better at the other layouts (oneDNN 2.6,
// AVX-512, one thread, 2000 or 512 deep).
void multiply_in_place(const Tile& t, const float* a, const float* b, float* c) {
  const OneThread one;
  if (t.transpose_b && !t.transpose_a && t.m >= 16) {
    multiply_by_primitive(t, a, b, c);
    return;
  }
  auto size = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const dnnl_status_t status =
      dnnl_sgemm(t.transpose_a ? 'T' : 'N', t.transpose_b ? 'T' : 'N', size(t.m), size(t.n), size(t.k), 1.0f, a,
                 size(t.pitch_a), b, size(t.pitch_b), t.accumulate ? 1.0f : 0.0f, c, size(t.pitch_c));
  require(status == dnnl_success, "oneDNN: sgemm failed with status ", static_cast<int>(status));
}
}  // namespace

bool reads_in_place() {
#if defined(__x86_64__)
  static const bool without = __builtin_cpu_supports("avx512f") == 0;
  return without;
#else
  return false;  // not measured
#endif
}

void multiply(const Tile& t, const bfloat16* a, const bfloat16* b, float* c) {
  try {
    const OneThread one;
    multiply_by_primitive(t, a, b, c);
  } catch (const dnnl::error& e) {
    if (e.status != dnnl_unimplemented) throw Error(text("oneDNN: ", e.what()));
    multiply_plain(t, a, b, c);  // a CPU without bfloat16 instructions
  }
}

const char* library_name() { return "oneDNN"; }

#elif defined(PERTURBINE_BLAS_OPENBLAS)

bool reads_in_place() { return false; }  // OpenBLAS packs every operand
namespace {
void multiply_in_place(const Tile& t, const float* a, const float* b, float* c) {
  static const bool once = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(once);
  auto size = [](std::size_t n) { return static_cast<int>(n); };
  cblas_sgemm(101, t.transpose_a ? 112 : 111, t.transpose_b ? 112 : 111, size(t.m), size(t.n), size(t.k), 1.0f, a,
              size(t.pitch_a), b, size(t.pitch_b), t.accumulate ? 1.0f : 0.0f, c, size(t.pitch_c));
}
}  // namespace
void multiply(const Tile& t, const bfloat16* a, const bfloat16* b, float* c) { multiply_plain(t, a, b, c); }
const char* library_name() { return "OpenBLAS"; }

#else

bool reads_in_place() { return false; }
namespace {
void multiply_in_place(const Tile& t, const float* a, const float* b, float* c) { multiply_plain(t, a, b, c); }
}  // namespace
void multiply(const Tile& t, const bfloat16* a, const bfloat16* b, float* c) { multiply_plain(t, a, b, c); }
const char* library_name() { return "plain loops"; }

#endif

void multiply(const Tile& t, const float* a, const float* b, float* c) {
  // From how many products on a copied number pays: the gradient of a weight (two such operands) gains from 64 on, that
  // of an input loses 3 to 8 % at 64.
  const std::size_t worth_copying = t.transpose_a ? 64 : 128;
  constexpr std::size_t colliding = 1024 / sizeof(float), apart = 16;
  const bool copy_a = t.spread_rows && t.transpose_a && t.n >= worth_copying && t.pitch_a % colliding == 0,
             copy_b = t.spread_rows && !t.transpose_b && t.m >= worth_copying && t.pitch_b % colliding == 0;
  if (!copy_a && !copy_b) {
    multiply_in_place(t, a, b, c);
    return;
  }
  thread_local Workspace workspace;
  Tile spread = t;
  const std::size_t of_a = copy_a ? t.k * (t.m + apart) : 0, of_b = copy_b ? t.k * (t.n + apart) : 0;
  float* memory = workspace.get<float>(of_a + of_b);
  const auto copied = [&](const float* from, std::size_t columns, std::size_t& pitch, float* to) {
    for (std::size_t i = 0; i < t.k; ++i) std::copy_n(from + i * pitch, columns, to + i * (columns + apart));
    pitch = columns + apart;
    return to;
  };
  if (copy_a) a = copied(a, t.m, spread.pitch_a, memory);
  if (copy_b) b = copied(b, t.n, spread.pitch_b, memory + of_a);
  multiply_in_place(spread, a, b, c);
}

}  // namespace perturbine::blas

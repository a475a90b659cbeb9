#include "bench/instruction_rates.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace perturbine {
#if defined(__x86_64__)
namespace {

constexpr int chains = 12, repeats = 100000;  // independent additions: more than latency times ports

// The asm keeps operands opaque and chains in registers.
#define PERTURBINE_RATE(name, features, setup, instruction)                                          \
  __attribute__((target(features))) void name(benchmark::State& state) {                             \
    __m512 sum[chains];                                                                              \
    for (int i = 0; i < chains; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));                 \
    setup;                                                                                           \
    for (auto _ : state) {                                                                           \
      for (int k = 0; k < repeats; ++k) {                                                            \
        for (int i = 0; i < chains; ++i) sum[i] = instruction;                                       \
        __asm__ volatile("" : "+v"(x), "+v"(y));                                                     \
      }                                                                                              \
      for (int i = 0; i < chains; ++i) __asm__ volatile("" : "+v"(sum[i]));                          \
    }                                                                                                \
    const double instructions = static_cast<double>(state.iterations()) * chains * repeats;          \
    state.counters["instructions"] = benchmark::Counter(instructions, benchmark::Counter::kIsRate);  \
    state.counters["GFLOP/s"] =                                                                      \
        benchmark::Counter(1e-9 * instructions * operations_of_##name, benchmark::Counter::kIsRate); \
  }

constexpr double operations_of_fma = 32, operations_of_dot = 64;
PERTURBINE_RATE(fma, "avx512f", __m512 x = _mm512_set1_ps(1.0f);
                __m512 y = _mm512_set1_ps(.5f), _mm512_fmadd_ps(x, y, sum[i]))
PERTURBINE_RATE(dot, "avx512f,avx512bf16", auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3f803f80));
                auto y = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3f003f00)), _mm512_dpbf16_ps(sum[i], x, y))

}  // namespace

void register_instruction_rates() {
  if (__builtin_cpu_supports("avx512f") != 0)
    benchmark::RegisterBenchmark("instructions/fma_f32", fma)->Unit(benchmark::kMillisecond);
  if (__builtin_cpu_supports("avx512bf16") != 0)
    benchmark::RegisterBenchmark("instructions/dot_bf16", dot)->Unit(benchmark::kMillisecond);
}
#else
void register_instruction_rates() {}
#endif
}  // namespace perturbine

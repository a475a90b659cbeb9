#include "kernels/counts/library_rate.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const LibraryRate<float>& op) {
  const std::size_t n = op.rate.columns;
  for_rows(cpu, op.rate.rows, n * 2, [&](std::size_t i) {
    const float* x = op.logits.row(i);
    float *rate = op.rate.row(i), scale = op.library_size[i], most = op.most;
    if (!op.softmax) {
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) rate[j] = scale * formulas::exp(x[j] > most ? most : x[j]);
      return;
    }
    float largest = x[0], sum = 0;
#pragma omp simd reduction(max : largest)
    for (std::size_t j = 0; j < n; ++j) largest = x[j] > largest ? x[j] : largest;
#pragma omp simd reduction(+ : sum)
    for (std::size_t j = 0; j < n; ++j) sum += rate[j] = formulas::exp(x[j] - largest);
    scale /= sum;
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) rate[j] *= scale;
  });
}

void run(Cpu& cpu, const LibraryRateBackward<float>& op) {
  const std::size_t n = op.rate.columns;
  for_rows(cpu, op.rate.rows, n * 2, [&](std::size_t i) {
    const float *rate = op.rate.row(i), *d = op.drate.row(i), *x = op.logits.row(i);
    float *out = op.dlogits.row(i), shared = 0, most = op.most;
    if (op.softmax) {
#pragma omp simd reduction(+ : shared)
      for (std::size_t j = 0; j < n; ++j) shared += d[j] * rate[j];
      shared /= op.library_size[i];
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) out[j] = rate[j] * (d[j] - shared);
      return;
    }
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) out[j] = x[j] > most ? 0.0f : rate[j] * d[j];
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, LibraryRate<float>)
PERTURBINE_EXECUTE(Cpu, run, LibraryRateBackward<float>)

}  // namespace perturbine

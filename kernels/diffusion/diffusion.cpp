#include "kernels/diffusion/diffusion.h"

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"
#include "kernels/diffusion/target.h"

namespace perturbine {
namespace {

// Calls body(first column, count, noise of these columns) over a row in blocks of 64.
template <class Body>
void with_noise(std::uint64_t seed, std::uint64_t offset, std::size_t row, std::size_t columns, Body&& body) {
  float noise[64];
  for (std::size_t j = 0; j < columns; j += 64) {
    normal64(seed, offset, row, j / 64, noise);
    body(j, std::min<std::size_t>(64, columns - j), noise);
  }
}

template <class T>
void run(Cpu& cpu, const DiffusionNoise<T>& op) {
  for_rows(cpu, op.xt.rows, op.xt.columns, [&](std::size_t i) {
    const float alpha = op.alpha[i], sigma = op.sigma[i];
    const T* x0 = op.x0.row(i);
    T* xt = op.xt.row(i);
    with_noise(op.seed, op.offset[0], i, op.xt.columns, [&](std::size_t j, std::size_t count, const float* noise) {
#pragma omp simd
      for (std::size_t k = 0; k < count; ++k) put(xt[j + k], alpha * static_cast<float>(x0[j + k]) + sigma * noise[k]);
    });
  });
}

template <Target target, class T>
void loss_row(const DiffusionLoss<T>& op, std::size_t i) {
  const float alpha = op.alpha[i], sigma = op.sigma[i], scale = op.weight[i] / static_cast<float>(op.F.columns);
  const float slope = op.dF.data != nullptr ? 2 * scale * op.dloss[i] : 0.0f;
  const T *F = op.F.row(i), *x0 = op.x0.row(i);
  T* dF = op.dF.data != nullptr ? op.dF.row(i) : nullptr;
  const float* column_weight = op.column_weight.data;
  float total = 0;
  with_noise(op.seed, op.offset[0], i, op.F.columns, [&](std::size_t j, std::size_t count, const float* noise) {
    float sum = 0, difference[64];
#pragma omp simd reduction(+ : sum)
    for (std::size_t k = 0; k < count; ++k) {
      const float v = target == Target::x0 ? op.variance[j + k] : 1.0f;
      const float d = static_cast<float>(F[j + k]) -
                      formulas::diffusion_target<target>(static_cast<float>(x0[j + k]), noise[k], alpha, sigma, v);
      const float w = column_weight != nullptr ? column_weight[j + k] : 1.0f;
      difference[k] = w * d;
      sum += w * d * d;
    }
    total += sum;
    if (dF == nullptr) return;
#pragma omp simd
    for (std::size_t k = 0; k < count; ++k) put(dF[j + k], slope * difference[k]);
  });
  op.loss[i] = scale * total;
}

template <class T>
void run(Cpu& cpu, const DiffusionLoss<T>& op) {
  formulas::dispatch_target(op.target, [&](auto target) {
    for_rows(cpu, op.F.rows, op.F.columns, [&](std::size_t i) { loss_row<target()>(op, i); });
  });
}

template <class T>
void run(Cpu& cpu, const Denoise<T>& op) {
  formulas::dispatch_target(op.target, [&](auto target) {
    for_rows(cpu, op.x0.rows, op.x0.columns, [&](std::size_t i) {
      const float alpha = op.alpha[i], sigma = op.sigma[i];
      const T *F = op.F.row(i), *xt = op.xt.row(i);
      T* x0 = op.x0.row(i);
#pragma omp simd
      for (std::size_t j = 0; j < op.x0.columns; ++j)
        put(x0[j], formulas::denoised<target()>(static_cast<float>(F[j]), static_cast<float>(xt[j]), alpha, sigma,
                                                target() == Target::x0 ? op.variance[j] : 1.0f));
    });
  });
}

template <class T>
void run(Cpu& cpu, const ReverseStep<T>& op) {
  const std::int32_t step = op.step[0];
  const float* c = op.coefficients.row(static_cast<std::size_t>(step));
  const std::uint64_t offset = op.offset[0] + static_cast<std::uint64_t>(step);
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T *x = op.x.row(i), *x0 = op.x0.row(i), *previous = op.previous.data != nullptr ? op.previous.row(i) : x;
    const float c2 = op.previous.data != nullptr ? c[2] : 0.0f;
    T* y = op.y.row(i);
    if (c[3] == 0.0f) {
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j)
        put(y[j],
            c[0] * static_cast<float>(x[j]) + c[1] * static_cast<float>(x0[j]) + c2 * static_cast<float>(previous[j]));
      return;
    }
    with_noise(op.seed, offset, i, op.y.columns, [&](std::size_t j, std::size_t count, const float* noise) {
#pragma omp simd
      for (std::size_t k = j; k < j + count; ++k)
        put(y[k], c[0] * static_cast<float>(x[k]) + c[1] * static_cast<float>(x0[k]) +
                      c2 * static_cast<float>(previous[k]) + c[3] * noise[k - j]);
    });
  });
}

template <class T>
void run(Cpu& cpu, const Guidance<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T *none = op.none.row(i), *context = op.context.row(i), *both = op.both.row(i);
    T* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const float n = static_cast<float>(none[j]), c = static_cast<float>(context[j]), b = static_cast<float>(both[j]);
      put(y[j], n + op.context_scale * (c - n) + op.perturbation_scale * (b - c));
    }
  });
}

}  // namespace

#define PERTURBINE_BOTH(Op)               \
  PERTURBINE_EXECUTE(Cpu, run, Op<float>) \
  PERTURBINE_EXECUTE(Cpu, run, Op<bfloat16>)
PERTURBINE_BOTH(DiffusionNoise)
PERTURBINE_BOTH(DiffusionLoss)
PERTURBINE_BOTH(Denoise)
PERTURBINE_BOTH(ReverseStep)
PERTURBINE_BOTH(Guidance)

}  // namespace perturbine

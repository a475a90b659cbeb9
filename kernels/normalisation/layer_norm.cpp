#include "kernels/normalisation/layer_norm.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

constexpr std::size_t block_rows = 64;

template <class T>
void run(Cpu& cpu, const LayerNorm<T>& op) {
  const std::size_t n = op.x.columns;
  for_rows(cpu, op.x.rows, n, [&](std::size_t i) {
    const T* x = op.x.row(i);
    T* y = op.y.row(i);
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t j = 0; j < n; ++j) sum += static_cast<float>(x[j]);
    const float mean = sum / static_cast<float>(n);
#pragma omp simd reduction(+ : squares)
    for (std::size_t j = 0; j < n; ++j)
      squares += (static_cast<float>(x[j]) - mean) * (static_cast<float>(x[j]) - mean);
    const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j)
      put(y[j], (static_cast<float>(x[j]) - mean) * inverse * op.gain[j] + op.bias[j]);
    op.mean[i] = mean;
    op.inverse_deviation[i] = inverse;
  });
}

template <class T>
void run(Cpu& cpu, const LayerNormBackward<T>& op) {
  const std::size_t n = op.x.columns, blocks = (op.x.rows + block_rows - 1) / block_rows;
  float* partial = cpu.workspace.get<float>(blocks * 2 * n);
  cpu.pool.run(blocks, [&](std::size_t b) {
    float *dgain = partial + b * 2 * n, *dbias = dgain + n;
    std::fill_n(dgain, 2 * n, 0.0f);
    for (std::size_t i = b * block_rows; i < std::min(op.x.rows, (b + 1) * block_rows); ++i) {
      const T *x = op.x.row(i), *dy = op.dy.row(i);
      T* dx = op.dx.row(i);
      const float mean = op.mean[i], inverse = op.inverse_deviation[i];
      float sum = 0, sum_normalised = 0;
#pragma omp simd reduction(+ : sum, sum_normalised)
      for (std::size_t j = 0; j < n; ++j) {
        const float normalised = (static_cast<float>(x[j]) - mean) * inverse, g = static_cast<float>(dy[j]);
        dgain[j] += g * normalised;
        dbias[j] += g;
        sum += g * op.gain[j];
        sum_normalised += g * op.gain[j] * normalised;
      }
      const float mean_d = sum / static_cast<float>(n), mean_dn = sum_normalised / static_cast<float>(n);
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float normalised = (static_cast<float>(x[j]) - mean) * inverse;
        const float g = inverse * (static_cast<float>(dy[j]) * op.gain[j] - mean_d - normalised * mean_dn);
        put(dx[j], op.accumulate ? static_cast<float>(dx[j]) + g : g);
      }
    }
  });
  std::fill_n(op.dgain.data, n, 0.0f);
  std::fill_n(op.dbias.data, n, 0.0f);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t j = 0; j < n; ++j) {
      op.dgain[j] += partial[b * 2 * n + j];
      op.dbias[j] += partial[b * 2 * n + n + j];
    }
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, LayerNorm<float>)
PERTURBINE_EXECUTE(Cpu, run, LayerNorm<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, LayerNormBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, LayerNormBackward<bfloat16>)

}  // namespace perturbine

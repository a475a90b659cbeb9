#include "kernels/normalisation/film_layer_norm.h"

#include <vector>

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

// Rows of output that are written past the caches are made here first.
template <class T>
T* scratch_rows(std::size_t count) {
  thread_local std::vector<T> rows;
  if (rows.size() < count) rows.resize(count);
  return rows.data();
}

template <bool Activate, class T>
void forward_row(const FilmLayerNorm<T>& op, std::size_t i, T* y) {
  const T *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
  const std::size_t n = op.x.columns;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += static_cast<float>(x[j]);
  const float mean = sum / static_cast<float>(n);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::size_t j = 0; j < n; ++j) {
    const float d = static_cast<float>(x[j]) - mean;
    squares += d * d;
  }
  const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) {
    const float z = (static_cast<float>(x[j]) - mean) * inverse * (1.0f + static_cast<float>(scale[j])) +
                    static_cast<float>(shift[j]);
    y[j] = static_cast<T>(Activate ? formulas::silu(z) : z);
  }
  op.mean[i] = mean;
  op.inverse_deviation[i] = inverse;
}

template <bool Activate, class T>
void backward_row(const FilmLayerNormBackward<T>& op, std::size_t i, T* dx, T* dscale, T* dshift) {
  const std::size_t f = op.film_row(i);
  const T *x = op.x.row(i), *scale = op.scale.row(f), *shift = op.shift.row(f), *dy = op.dy.row(i);
  const std::size_t n = op.x.columns;
  const float mean = op.mean[i], inverse = op.inverse_deviation[i];
  float sum = 0, sum_normalised = 0;
#pragma omp simd reduction(+ : sum, sum_normalised)
  for (std::size_t j = 0; j < n; ++j) {
    const float normalised = (static_cast<float>(x[j]) - mean) * inverse;
    const float gain = 1.0f + static_cast<float>(scale[j]);
    float dz = static_cast<float>(dy[j]);
    if constexpr (Activate) dz *= formulas::silu_slope(normalised * gain + static_cast<float>(shift[j]));
    dscale[j] = static_cast<T>(dz * normalised);
    dshift[j] = static_cast<T>(dz);
    sum += dz * gain;
    sum_normalised += dz * gain * normalised;
  }
  const float mean_d = sum / static_cast<float>(n), mean_dn = sum_normalised / static_cast<float>(n);
  const float keep = op.accumulate ? 1.0f : 0.0f;
  auto finish = [&](auto slope) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) {
      const float normalised = (static_cast<float>(x[j]) - mean) * inverse;
      const float gain = 1.0f + static_cast<float>(scale[j]);
      const float d = slope(j, normalised, gain) * gain;
      const float g = inverse * (d - mean_d - normalised * mean_dn);
      dx[j] = static_cast<T>(keep != 0.0f ? static_cast<float>(dx[j]) + g : g);
    }
  };
  // In f32 dshift holds dz exactly; in bf16 it is rounded, so the slope is taken once more.
  if constexpr (!Activate)
    finish([&](std::size_t j, float, float) { return static_cast<float>(dy[j]); });
  else if constexpr (std::is_same_v<T, float>)
    finish([&](std::size_t j, float, float) { return dshift[j]; });
  else
    finish([&](std::size_t j, float normalised, float gain) {
      return static_cast<float>(dy[j]) * formulas::silu_slope(normalised * gain + static_cast<float>(shift[j]));
    });
}

template <class T>
void run(Cpu& cpu, const FilmLayerNorm<T>& op) {
  auto row = [&](std::size_t i, T* y) { op.activate ? forward_row<true>(op, i, y) : forward_row<false>(op, i, y); };
  if constexpr (std::is_same_v<T, float>)
    if (op.cost().bytes > streaming_bytes()) {
      cpu.pool.for_ranges(op.x.rows, rows_per_task(op.x.columns), [&](std::size_t begin, std::size_t end) {
        float* y = scratch_rows<float>(op.x.columns);
        for (std::size_t i = begin; i < end; ++i) {
          row(i, y);
          stream_row(y, op.y.row(i), op.x.columns);
        }
        end_streaming();
      });
      return;
    }
  for_rows(cpu, op.x.rows, op.x.columns, [&](std::size_t i) { row(i, op.y.row(i)); });
}

template <class T>
void run(Cpu& cpu, const FilmLayerNormBackward<T>& op) {
  auto row = [&](std::size_t i, T* dx, T* dscale, T* dshift) {
    op.activate ? backward_row<true>(op, i, dx, dscale, dshift) : backward_row<false>(op, i, dx, dscale, dshift);
  };
  const std::size_t n = op.x.columns;
  if constexpr (std::is_same_v<T, float>)
    if (op.cost().bytes > streaming_bytes() && !op.accumulate) {
      cpu.pool.for_ranges(op.x.rows, rows_per_task(n), [&](std::size_t begin, std::size_t end) {
        float* rows = scratch_rows<float>(3 * n);
        for (std::size_t i = begin; i < end; ++i) {
          row(i, rows, rows + n, rows + 2 * n);
          stream_row(rows, op.dx.row(i), n);
          stream_row(rows + n, op.dscale.row(i), n);
          stream_row(rows + 2 * n, op.dshift.row(i), n);
        }
        end_streaming();
      });
      return;
    }
  for_rows(cpu, op.x.rows, n, [&](std::size_t i) { row(i, op.dx.row(i), op.dscale.row(i), op.dshift.row(i)); });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, FilmLayerNorm<float>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNorm<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNormBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNormBackward<bfloat16>)

}  // namespace perturbine

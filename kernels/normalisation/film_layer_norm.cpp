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

// Sum over a row of term(x_j) in four chains of sixteen lanes: one chain would wait for every addition. Meanwhile the
// row at `next` is fetched.
template <class T, class Term>
float sum_of_row(const T* x, std::size_t n, const T* next, Term&& term) {
  constexpr std::size_t chains = 4, lanes = fetched_block / chains;
  float sum[chains][lanes] = {};
  std::size_t j = 0;
  for (; j + fetched_block <= n; j += fetched_block) {
    if (next != nullptr) fetch_ahead(next + j);
    for (std::size_t c = 0; c < chains; ++c)
#pragma omp simd
      for (std::size_t l = 0; l < lanes; ++l) sum[c][l] += term(static_cast<float>(x[j + c * lanes + l]));
  }
  float total = 0;
  for (; j < n; ++j) total += term(static_cast<float>(x[j]));
  for (std::size_t l = 0; l < lanes; ++l) total += (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]);
  return total;
}

// `written`: y is the output itself, whose next row is worth fetching.
template <bool Activate, class T>
void forward_row(const FilmLayerNorm<T>& op, std::size_t i, T* y, bool written) {
  const T *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
  const std::size_t n = op.x.columns, next = std::min(i + 1, op.x.rows - 1);
  const T *next_scale = op.scale.row(op.film_row(next)), *next_shift = op.shift.row(op.film_row(next)),
          *next_y = op.y.row(next);
  const float mean = sum_of_row(x, n, op.x.row(next), [](float v) { return v; }) / static_cast<float>(n);
  const float squares =
      sum_of_row(x, n, static_cast<const T*>(nullptr), [=](float v) { return (v - mean) * (v - mean); });
  const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
  for (std::size_t first = 0; first < n; first += fetched_block) {
    if (next_scale != scale) fetch_ahead(next_scale + first), fetch_ahead(next_shift + first);
    if (written) fetch_ahead<true>(next_y + first);
    const std::size_t last = std::min(n, first + fetched_block);
#pragma omp simd
    for (std::size_t j = first; j < last; ++j) {
      const float z = (static_cast<float>(x[j]) - mean) * inverse * (1.0f + static_cast<float>(scale[j])) +
                      static_cast<float>(shift[j]);
      put(y[j], Activate ? formulas::silu(z) : z);
    }
  }
  op.mean[i] = mean;
  op.inverse_deviation[i] = inverse;
}

// dx, dscale and dshift receive the row; `written` as in forward_row.
template <bool Activate, class T>
void backward_row(const FilmLayerNormBackward<T>& op, std::size_t i, T* dx, T* dscale, T* dshift, bool written) {
  const std::size_t f = op.film_row(i);
  const T *x = op.x.row(i), *scale = op.scale.row(f), *shift = op.shift.row(f), *dy = op.dy.row(i);
  const std::size_t n = op.x.columns, next = std::min(i + 1, op.x.rows - 1), next_f = op.film_row(next);
  const float mean = op.mean[i], inverse = op.inverse_deviation[i];
  float sum = 0, sum_normalised = 0;
  for (std::size_t first = 0; first < n; first += fetched_block) {
    fetch_ahead(op.x.row(next) + first), fetch_ahead(op.dy.row(next) + first);
    if (next_f != f) fetch_ahead(op.scale.row(next_f) + first), fetch_ahead(op.shift.row(next_f) + first);
    const std::size_t last = std::min(n, first + fetched_block);
    float part = 0, part_normalised = 0;
#pragma omp simd reduction(+ : part, part_normalised)
    for (std::size_t j = first; j < last; ++j) {
      const float normalised = (static_cast<float>(x[j]) - mean) * inverse;
      const float gain = 1.0f + static_cast<float>(scale[j]);
      float dz = static_cast<float>(dy[j]);
      if constexpr (Activate) dz *= formulas::silu_slope(normalised * gain + static_cast<float>(shift[j]));
      put(dscale[j], dz * normalised);
      put(dshift[j], dz);
      part += dz * gain;
      part_normalised += dz * gain * normalised;
    }
    sum += part, sum_normalised += part_normalised;
  }
  const float mean_d = sum / static_cast<float>(n), mean_dn = sum_normalised / static_cast<float>(n);
  const float keep = op.accumulate ? 1.0f : 0.0f;
  auto finish = [&](auto slope) {
    for (std::size_t first = 0; first < n; first += fetched_block) {
      if (written) {
        fetch_ahead<true>(op.dx.row(next) + first), fetch_ahead<true>(op.dscale.row(next) + first);
        fetch_ahead<true>(op.dshift.row(next) + first);
      }
      const std::size_t last = std::min(n, first + fetched_block);
#pragma omp simd
      for (std::size_t j = first; j < last; ++j) {
        const float normalised = (static_cast<float>(x[j]) - mean) * inverse;
        const float gain = 1.0f + static_cast<float>(scale[j]);
        const float d = slope(j, normalised, gain) * gain;
        const float g = inverse * (d - mean_d - normalised * mean_dn);
        put(dx[j], keep != 0.0f ? static_cast<float>(dx[j]) + g : g);
      }
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
  auto row = [&](std::size_t i, T* y, bool written) {
    op.activate ? forward_row<true>(op, i, y, written) : forward_row<false>(op, i, y, written);
  };
  if constexpr (std::is_same_v<T, float>)
    if (op.cost().bytes > streaming_bytes()) {
      cpu.pool.for_ranges(op.x.rows, rows_per_task(op.x.columns), [&](std::size_t begin, std::size_t end) {
        float* y = scratch_rows<float>(op.x.columns);
        for (std::size_t i = begin; i < end; ++i) {
          row(i, y, false);
          stream_row(y, op.y.row(i), op.x.columns);
        }
        end_streaming();
      });
      return;
    }
  for_rows(cpu, op.x.rows, op.x.columns, [&](std::size_t i) { row(i, op.y.row(i), true); });
}

template <class T>
void run(Cpu& cpu, const FilmLayerNormBackward<T>& op) {
  auto row = [&](std::size_t i, T* dx, T* dscale, T* dshift, bool written) {
    op.activate ? backward_row<true>(op, i, dx, dscale, dshift, written)
                : backward_row<false>(op, i, dx, dscale, dshift, written);
  };
  const std::size_t n = op.x.columns;
  if constexpr (std::is_same_v<T, float>)
    if (op.cost().bytes > streaming_bytes() && !op.accumulate) {
      cpu.pool.for_ranges(op.x.rows, rows_per_task(n), [&](std::size_t begin, std::size_t end) {
        float* rows = scratch_rows<float>(3 * n);
        for (std::size_t i = begin; i < end; ++i) {
          row(i, rows, rows + n, rows + 2 * n, false);
          stream_row(rows, op.dx.row(i), n);
          stream_row(rows + n, op.dscale.row(i), n);
          stream_row(rows + 2 * n, op.dshift.row(i), n);
        }
        end_streaming();
      });
      return;
    }
  for_rows(cpu, op.x.rows, n, [&](std::size_t i) { row(i, op.dx.row(i), op.dscale.row(i), op.dshift.row(i), true); });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, FilmLayerNorm<float>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNorm<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNormBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, FilmLayerNormBackward<bfloat16>)

}  // namespace perturbine

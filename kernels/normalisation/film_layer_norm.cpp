#include "kernels/normalisation/film_layer_norm.h"

#include <vector>

#include "kernels/core/cpu.h"
#include "kernels/core/lanes.h"

namespace perturbine {
namespace {

// Rows of output that are written past the caches are made here first.
template <class T>
T* scratch_rows(std::size_t count) {
  thread_local std::vector<T> rows;
  if (rows.size() < count) rows.resize(count);
  return rows.data();
}

// Sum over a row of term(x_j) in four chains of lanes: one chain would wait for every addition. Meanwhile the
// row at `next` is fetched.
template <class T, class Term>
float sum_of_row(const T* x, std::size_t n, const T* next, Term&& term) {
  Lanes sum[4] = {};
  std::size_t j = 0;
  for (; j + fetched_block <= n; j += fetched_block) {
    if (next != nullptr) fetch_ahead(next + j);
    for (std::size_t c = 0; c < fetched_block / lanes::count; ++c)
      sum[c % 4] += term(lanes::load(x + j + c * lanes::count));
  }
  float rest = 0;
  for (; j < n; ++j) rest += term(lanes::all(static_cast<float>(x[j])))[0];
  return rest + lanes::sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// `written`: y is the output itself, whose next row is worth fetching.
template <bool Activate, class T>
void forward_row(const FilmLayerNorm<T>& op, std::size_t i, T* y, bool written) {
  const T *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
  const std::size_t n = op.x.columns, next = std::min(i + 1, op.x.rows - 1);
  const T *next_scale = op.scale.row(op.film_row(next)), *next_shift = op.shift.row(op.film_row(next)),
          *next_y = op.y.row(next);
  const float mean = sum_of_row(x, n, op.x.row(next), [](Lanes v) { return v; }) / static_cast<float>(n);
  const float squares =
      sum_of_row(x, n, static_cast<const T*>(nullptr), [=](Lanes v) { return (v - mean) * (v - mean); });
  const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
  for (std::size_t first = 0; first < n; first += fetched_block) {
    if (next_scale != scale) fetch_ahead(next_scale + first), fetch_ahead(next_shift + first);
    if (written) fetch_ahead<true>(next_y + first);
    lanes::for_columns(first, std::min(n, first + fetched_block), [&](std::size_t j, auto count) {
      const Lanes normalised = (lanes::load(x + j, count) - mean) * inverse;
      const Lanes z = lanes::fused(normalised, 1.0f + lanes::load(scale + j, count), lanes::load(shift + j, count));
      lanes::store(y + j, Activate ? lanes::silu(z) : z, count);
    });
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
  Lanes sum{}, sum_normalised{};
  for (std::size_t first = 0; first < n; first += fetched_block) {
    fetch_ahead(op.x.row(next) + first), fetch_ahead(op.dy.row(next) + first);
    if (next_f != f) fetch_ahead(op.scale.row(next_f) + first), fetch_ahead(op.shift.row(next_f) + first);
    lanes::for_columns(first, std::min(n, first + fetched_block), [&](std::size_t j, auto count) {
      const Lanes normalised = (lanes::load(x + j, count) - mean) * inverse,
                  gain = 1.0f + lanes::load(scale + j, count);
      Lanes dz = lanes::load(dy + j, count);  // zeros behind the last, which add nothing to the sums
      if constexpr (Activate) dz *= lanes::silu_slope(lanes::fused(normalised, gain, lanes::load(shift + j, count)));
      lanes::store(dscale + j, dz * normalised, count);
      lanes::store(dshift + j, dz, count);
      sum += dz * gain;
      sum_normalised += dz * gain * normalised;
    });
  }
  const float mean_d = lanes::sum(sum) / static_cast<float>(n),
              mean_dn = lanes::sum(sum_normalised) / static_cast<float>(n);
  auto finish = [&](auto slope) {
    for (std::size_t first = 0; first < n; first += fetched_block) {
      if (written) {
        fetch_ahead<true>(op.dx.row(next) + first), fetch_ahead<true>(op.dscale.row(next) + first);
        fetch_ahead<true>(op.dshift.row(next) + first);
      }
      lanes::for_columns(first, std::min(n, first + fetched_block), [&](std::size_t j, auto count) {
        const Lanes normalised = (lanes::load(x + j, count) - mean) * inverse,
                    gain = 1.0f + lanes::load(scale + j, count);
        const Lanes d = slope(j, count, normalised, gain) * gain;
        const Lanes g = inverse * (d - mean_d - normalised * mean_dn);
        lanes::store(dx + j, op.accumulate ? lanes::load(dx + j, count) + g : g, count);
      });
    }
  };
  // In f32 dshift holds dz exactly; in bf16 it is rounded, so the slope is taken once more.
  if constexpr (!Activate)
    finish([&](std::size_t j, auto count, Lanes, Lanes) { return lanes::load(dy + j, count); });
  else if constexpr (std::is_same_v<T, float>)
    finish([&](std::size_t j, auto count, Lanes, Lanes) { return lanes::load(dshift + j, count); });
  else
    finish([&](std::size_t j, auto count, Lanes normalised, Lanes gain) {
      const Lanes z = lanes::fused(normalised, gain, lanes::load(shift + j, count));
      return lanes::load(dy + j, count) * lanes::silu_slope(z);
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

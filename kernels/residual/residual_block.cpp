// Tiles of rows through the whole block, so that the normalised and the hidden rows stay in the cache.
#include "kernels/residual/residual_block.h"

#include "kernels/core/cpu.h"
#include "kernels/core/lanes.h"
#include "kernels/dense/expanded.h"
#include "kernels/dense/product_library.h"

namespace perturbine {
namespace {

// At most 64 rows, in an even number of tiles: a function of the shape alone.
std::size_t rows_of_tile(std::size_t rows) {
  const std::size_t tiles = std::max<std::size_t>(1, (rows + 127) / 128 * 2);
  return std::max<std::size_t>(4, ((rows + tiles - 1) / tiles + 3) / 4 * 4);
}

// Rounded to bfloat16, in the type that the products take.
void store_rounded(bfloat16* to, Lanes x, std::size_t count) { lanes::store(to, x, count); }
void store_rounded(float* to, Lanes x, std::size_t count) { lanes::store(to, lanes::rounded(x), count); }

// n of the rows from `first` on, rounded, in the type that the products take.
template <class Number>
void normalise(const ResidualBlock<float>& op, std::size_t first, std::size_t rows, Number* to) {
  const std::size_t width = op.x.columns;
  for (std::size_t i = first; i < first + rows; ++i, to += width) {
    const float *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t j = 0; j < width; ++j) sum += x[j];
    const float mean = sum / static_cast<float>(width);
#pragma omp simd reduction(+ : squares)
    for (std::size_t j = 0; j < width; ++j) squares += (x[j] - mean) * (x[j] - mean);
    const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(width) + op.epsilon);
    lanes::for_columns(0, width, [&](std::size_t j, auto count) {
      const Lanes normalised = (lanes::load(x + j, count) - mean) * inverse;
      store_rounded(
          to + j, lanes::fused(normalised, 1.0f + lanes::load(scale + j, count), lanes::load(shift + j, count)), count);
    });
  }
}

template <class Number>
void run_tiles(Cpu& cpu, const ResidualBlock<float>& op, const Number* w1, std::size_t pitch1, const Number* w2,
               std::size_t pitch2, std::byte* memory, std::size_t memory_of_tile) {
  const std::size_t width = op.x.columns, tile_rows = rows_of_tile(op.x.rows),
                    tiles = (op.x.rows + tile_rows - 1) / tile_rows;
  cpu.pool.run(tiles, [&](std::size_t t) {
    const std::size_t first = t * tile_rows, rows = std::min(tile_rows, op.x.rows - first);
    auto* sums = reinterpret_cast<float*>(memory + t * memory_of_tile);
    auto* rounded = reinterpret_cast<Number*>(sums + tile_rows * width);
    normalise(op, first, rows, rounded);
    blas::Tile tile{rows, width, width, false, true, false, width, pitch1, width};
    blas::multiply(tile, rounded, w1, sums);
    for (std::size_t i = 0; i < rows; ++i) {
      const float *from = sums + i * width, *b = op.b1.data;
      Number* to = rounded + i * width;
      lanes::for_columns(0, width, [&](std::size_t j, auto count) {
        store_rounded(to + j, lanes::silu(lanes::load(from + j, count) + lanes::load(b + j, count)), count);
      });
    }
    tile.pitch_b = pitch2;
    blas::multiply(tile, rounded, w2, sums);
    for (std::size_t i = 0; i < rows; ++i) {
      const float *x = op.x.row(first + i), *from = sums + i * width, *b = op.b2.data;
      float* y = op.y.row(first + i);
#pragma omp simd
      for (std::size_t j = 0; j < width; ++j) y[j] = x[j] + (from[j] + b[j]);
    }
  });
}

void run(Cpu& cpu, const ResidualBlock<float>& op) {
  const std::size_t width = op.x.columns, tile_rows = rows_of_tile(op.x.rows),
                    tiles = (op.x.rows + tile_rows - 1) / tile_rows;
  if (width == 0) return;
  const std::size_t memory_of_tile = (2 * tile_rows * width * sizeof(float) + 63) / 64 * 64;
  const bool in_bfloat16 = blas::bfloat16_pays();
  const std::size_t of_weights = in_bfloat16 ? 0 : width * width;
  float* weights = cpu.workspace.get<float>(2 * of_weights + 32 + tiles * memory_of_tile / sizeof(float));
  auto* memory = reinterpret_cast<std::byte*>(weights + (2 * of_weights + 15) / 16 * 16);
  if (in_bfloat16)
    run_tiles(cpu, op, op.w1.data, op.w1.pitch, op.w2.data, op.w2.pitch, memory, memory_of_tile);
  else
    run_tiles(cpu, op, expanded(cpu, op.w1, weights).data, width, expanded(cpu, op.w2, weights + of_weights).data,
              width, memory, memory_of_tile);
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, ResidualBlock<float>)

}  // namespace perturbine

#include "kernels/dense/product.h"

#include "kernels/core/cpu.h"
#include "kernels/dense/activation.h"
#include "kernels/dense/expanded.h"
#include "kernels/dense/product_library.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine {
namespace {

// Tiles of the result; a function of its shape and layout alone, so that every thread count gives the same bits.
// x weight^T likes few columns (each tile packs its own rows of the weight), the other layouts few rows. Rows are
// shared evenly by an even number of tiles.
struct TileShape {
  std::size_t rows, columns;
};
TileShape tile_shape(std::size_t rows, std::size_t columns, bool transpose_a, bool transpose_b) {
  const bool tall = transpose_b && !transpose_a && columns > 128;
  const std::size_t most_rows = tall ? 512 : 128;
  const std::size_t tiles = tall && rows <= most_rows ? 1
                            : rows <= 32              ? 1
                                                      : (rows + 2 * most_rows - 1) / (2 * most_rows) * 2;
  return {std::max<std::size_t>(1, ((rows + tiles - 1) / tiles + 3) / 4 * 4), tall ? 128u : 512u};
}

// The bfloat16 form of an operand: as given, or rounded into `memory`.
MatrixView<const bfloat16> rounded(Cpu& cpu, MatrixView<const float> from, MatrixView<const bfloat16> given,
                                   bfloat16* memory) {
  if (given.data != nullptr) return given;
  const auto to = matrix(memory, from.rows, from.columns);
  execute(cpu, Round<float>{from, to});
  return to;
}

// The same in float, for processors that multiply floats faster.
MatrixView<const float> rounded_floats(Cpu& cpu, MatrixView<const float> from, MatrixView<const bfloat16> given,
                                       float* memory) {
  if (given.data != nullptr) return expanded(cpu, given, memory);
  for_rows(cpu, from.rows, from.columns, [&](std::size_t i) {
    const float* x = from.row(i);
    float* y = memory + i * from.columns;
    lanes::for_columns(0, from.columns, [&](std::size_t j, auto count) {
      lanes::store(y + j, lanes::rounded(lanes::load(x + j, count)), count);
    });
  });
  return matrix(memory, from.rows, from.columns);
}

// Runs `finish(first_row, row_count, first_column, column_count)` on every tile as soon as it is computed.
template <class Finish>
void multiply_tiles(Cpu& cpu, MatrixView<const float> a, MatrixView<const float> b, MatrixView<float> c,
                    bool transpose_a, bool transpose_b, bool accumulate, Math math, MatrixView<const bfloat16> a16,
                    MatrixView<const bfloat16> b16, Finish&& finish) {
  const auto [tile_rows, tile_columns] = tile_shape(c.rows, c.columns, transpose_a, transpose_b);
  const std::size_t inner = transpose_a ? a.rows : a.columns;
  const std::size_t down = (c.rows + tile_rows - 1) / tile_rows, across = (c.columns + tile_columns - 1) / tile_columns;
  if (inner == 0) {
    for (std::size_t i = 0; i < c.rows && !accumulate; ++i) std::fill_n(c.row(i), c.columns, 0.0f);
    finish(0, c.rows, 0, c.columns);
    return;
  }
  const bool in_bfloat16 = math == Math::bf16 && blas::bfloat16_pays();
  if (math == Math::bf16 && !in_bfloat16) {
    float* memory = cpu.workspace.get<float>(a.rows * a.columns + b.rows * b.columns);
    const std::size_t of_a = a.rows * a.columns;
    a = rounded_floats(cpu, a, a16, memory);
    b = rounded_floats(cpu, b, b16, memory + of_a);
  }
  if (in_bfloat16) {
    const std::size_t of_a = a16.data == nullptr ? a.rows * a.columns : 0,
                      of_b = b16.data == nullptr ? b.rows * b.columns : 0;
    bfloat16* memory = cpu.workspace.get<bfloat16>(of_a + of_b);
    a16 = rounded(cpu, a, a16, memory);
    b16 = rounded(cpu, b, b16, memory + of_a);
  }
  cpu.pool.run(down * across, [&, tile_rows = tile_rows, tile_columns = tile_columns](std::size_t t) {
    const std::size_t i = t / across * tile_rows, j = t % across * tile_columns;
    const std::size_t rows = std::min(tile_rows, c.rows - i), columns = std::min(tile_columns, c.columns - j);
    blas::Tile tile{rows, columns, inner, transpose_a, transpose_b, accumulate, a.pitch, b.pitch, c.pitch};
    if (in_bfloat16) {
      tile.pitch_a = a16.pitch, tile.pitch_b = b16.pitch;
      blas::multiply(tile, transpose_a ? a16.data + i : a16.row(i), transpose_b ? b16.row(j) : b16.data + j,
                     c.row(i) + j);
    } else {
      blas::multiply(tile, transpose_a ? a.data + i : a.row(i), transpose_b ? b.row(j) : b.data + j, c.row(i) + j);
    }
    finish(i, rows, j, columns);
  });
}

void run(Cpu& cpu, const MatrixProduct<float>& op) {
  multiply_tiles(cpu, op.a, op.b, op.c, op.transpose_a, op.transpose_b, op.accumulate, op.math, op.rounded_a,
                 op.rounded_b, [](std::size_t, std::size_t, std::size_t, std::size_t) {});
}

template <Activation activation>
void epilogue(const Linear<float>& op, MatrixView<float> product, std::size_t i, std::size_t first,
              std::size_t columns) {
  float *z = product.row(i), *y = op.y.row(i);
  const float* residual = op.residual.data != nullptr ? op.residual.row(i) : nullptr;
  lanes::for_columns(first, first + columns, [&](std::size_t j, auto count) {
    Lanes v = lanes::load(z + j, count);
    if (op.bias.data != nullptr) v += lanes::load(op.bias.data + j, count);
    if (activation != Activation::none) lanes::store(z + j, v, count);
    Lanes a = activated<activation>(v);
    if (residual != nullptr) a += lanes::load(residual + j, count);
    lanes::store(y + j, a, count);
  });
}

void run(Cpu& cpu, const Linear<float>& op) {
  const MatrixView<float> product = op.activation == Activation::none ? op.y : op.z;
  const bool bare = op.bias.data == nullptr && op.residual.data == nullptr && op.activation == Activation::none;
  multiply_tiles(cpu, op.x, op.weight, product, false, true, false, op.math, op.rounded_x, op.rounded_weight,
                 [&](std::size_t i, std::size_t rows, std::size_t j, std::size_t columns) {
                   if (bare) return;
                   with_activation(op.activation, [&](auto a) {
                     for (std::size_t r = i; r < i + rows; ++r) epilogue<a.value>(op, product, r, j, columns);
                   });
                 });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, MatrixProduct<float>)
PERTURBINE_EXECUTE(Cpu, run, Linear<float>)

}  // namespace perturbine

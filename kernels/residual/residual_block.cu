// Sixteen warps take 16 rows (32 where there are many) through the whole block. The normalised and the hidden rows stay
// in shared memory as bfloat16; the weights come from the L2 cache, once for every 16 or 32 rows: that is what bounds
// it.
//
// Sums over k may run in any order as long as both operands agree, so a thread takes eight neighbours of k at a time,
// one 16-byte load, where the tensor core's layout (mma.cuh) has two pairs: the words of 32 k serve two tiles.
#include "kernels/residual/residual_block.h"

#include "kernels/core/formulas.h"
#include "kernels/core/mma.cuh"
#include "kernels/core/reduce.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

constexpr unsigned threads = 512;
constexpr int warps = 16, columns_a_warp = 32, depth = 32;
// Between rows in shared memory: 16 words more than a multiple of 32 banks, so that 16-byte loads of two rows at a time
// meet every bank once.
constexpr int padding = 32;

using Words = std::uint32_t[4];

// Eight neighbours, of a row that ends after `left` of them.
__device__ __forceinline__ void load_eight(const bfloat16* p, int left, bool aligned, Words& words) {
  if (aligned && left >= 8) {
    __builtin_memcpy(words, __builtin_assume_aligned(p, 16), 16);
    return;
  }
  for (int i = 0; i < 4; ++i)
    words[i] = pack(2 * i < left ? p[2 * i] : bfloat16{}, 2 * i + 1 < left ? p[2 * i + 1] : bfloat16{});
}

// Calls finish(row of the tile, column, sum) for every element of rows w^T; `rows` [16 Tiles, padded] in shared memory
// with zeros from `width` on.
template <int Tiles, class Finish>
__device__ __forceinline__ void multiply_rows(const bfloat16* rows, int stride, int padded,
                                              const MatrixView<const bfloat16>& w, Finish&& finish) {
  const int width = static_cast<int>(w.columns), lane = static_cast<int>(threadIdx.x) % 32,
            warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, member = lane % 4;
  const bool aligned = reinterpret_cast<std::uintptr_t>(w.data) % 16 == 0 && w.pitch % 8 == 0;
  for (int first = warp * columns_a_warp; first < padded; first += warps * columns_a_warp) {
    float sums[Tiles][4][4] = {};
    Words next[4];
    const auto fetch = [&](int k) {  // of the weights, one step ahead: the L2 cache is far
      for (int n = 0; n < 4; ++n) {
        const int column = first + 8 * n + group;
        load_eight(w.row(static_cast<std::size_t>(column < width ? column : 0)) + k, column < width ? width - k : 0,
                   aligned, next[n]);
      }
    };
    fetch(8 * member);
    for (int k = 8 * member; k < padded; k += depth) {
      Words b[4], a[Tiles][2];
      for (int n = 0; n < 4; ++n)
        for (int i = 0; i < 4; ++i) b[n][i] = next[n][i];
      if (k + depth < padded) fetch(k + depth);
      for (int m = 0; m < Tiles; ++m)
        for (int half = 0; half < 2; ++half)
          __builtin_memcpy(a[m][half], __builtin_assume_aligned(rows + (16 * m + 8 * half + group) * stride + k, 16),
                           16);
      for (int n = 0; n < 4; ++n)
        for (int m = 0; m < Tiles; ++m)
          for (int i = 0; i < 4; i += 2) {
            const std::uint32_t left[4] = {a[m][0][i], a[m][1][i], a[m][0][i + 1], a[m][1][i + 1]},
                                right[2] = {b[n][i], b[n][i + 1]};
            multiply_tile(sums[m][n], left, right);
          }
    }
    PERTURBINE_IN_REGISTERS
    for (int e = 0; e < Tiles * 16; ++e) {
      const int m = e / 16, n = e / 4 % 4, i = e % 4;
      finish(16 * m + group + i / 2 * 8, first + 8 * n + 2 * member + i % 2, sums[m][n][i]);
    }
  }
}

template <int Tiles>
__global__ void __launch_bounds__(threads) residual_block(ResidualBlock<float> op, int padded) {
  const int width = static_cast<int>(op.x.columns), stride = padded + padding;
  bfloat16* normalised = dynamic_shared<bfloat16>();
  bfloat16* hidden = normalised + 16 * Tiles * stride;
  const std::size_t first = blockIdx.x * std::size_t{16} * Tiles;

  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int r = static_cast<int>(threadIdx.x) / 32; r < 16 * Tiles; r += warps) {  // a warp a row
    const std::size_t row = first + static_cast<std::size_t>(r);
    bfloat16* to = normalised + r * stride;
    const bool inside = row < op.x.rows;
    const float* x = op.x.row(inside ? row : 0);
    float sum = 0, squares = 0;
    for (int j = lane; j < width; j += 32) sum += x[j];
    const float mean = warp_sum(sum) / static_cast<float>(width);
    for (int j = lane; j < width; j += 32) squares += (x[j] - mean) * (x[j] - mean);
    const float inverse = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + op.epsilon);
    const std::size_t f = op.film_row(inside ? row : 0);
    const float *scale = op.scale.row(f), *shift = op.shift.row(f);
    for (int j = lane; j < padded; j += 32)
      to[j] = inside && j < width ? bfloat16((x[j] - mean) * inverse * (1.0f + scale[j]) + shift[j]) : bfloat16{};
  }
  __syncthreads();
  multiply_rows<Tiles>(normalised, stride, padded, op.w1, [&](int r, int j, float sum) {
    hidden[r * stride + j] =
        j < width ? bfloat16(formulas::silu(sum + op.b1[static_cast<std::size_t>(j)])) : bfloat16{};
  });
  __syncthreads();
  multiply_rows<Tiles>(hidden, stride, padded, op.w2, [&](int r, int j, float sum) {
    const std::size_t row = first + static_cast<std::size_t>(r), column = static_cast<std::size_t>(j);
    if (row < op.x.rows && j < width) op.y(row, column) = op.x(row, column) + (sum + op.b2[column]);
  });
}

void enqueue(DeviceExecutor& executor, const ResidualBlock<float>& op) {
  const std::size_t padded = (op.x.columns + depth - 1) / depth * depth;
  const auto bytes = [&](std::size_t tiles) { return 2 * 16 * tiles * (padded + padding) * sizeof(bfloat16); };
  // 32 rows read the weights half as often, 16 give more blocks: until each of an H100's 132 multiprocessors has one. A
  // function of the shape; the bits are the same.
  const std::size_t tiles = op.x.rows > 16 * 132 && bytes(2) <= std::size_t{160} << 10 ? 2 : 1;
  launch(tiles == 2 ? residual_block<2> : residual_block<1>, dim3(blocks_for(op.x.rows, 16 * tiles)), dim3(threads),
         bytes(tiles), executor, op, static_cast<int>(padded));
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, ResidualBlock<float>)

}  // namespace perturbine

#include "kernels/dense/sparse_product.h"

#include "kernels/core/cpu.h"
#include "kernels/core/lanes.h"

namespace perturbine {
namespace {

// Eight registers of columns at a time: their sums are registers, and their part of b, packed, stays in a core's second
// cache while all rows pass. (Not packed, rows a power of two apart would share few places of the cache.)
constexpr std::size_t vectors = 8, strip = lanes::count * vectors, rows_a_task = 16;

void fetch_strip(const float* b) {
  for (std::size_t v = 0; v < vectors; ++v) __builtin_prefetch(b + v * lanes::count);
}

/// The sums of one row, over a strip of b whose rows lie `pitch` apart.
void strip_of_row(const SparseProduct<float>& op, std::size_t row, const float* b, std::size_t pitch, float* out) {
  Lanes sum[vectors] = {};
  const std::int32_t* column = op.a.columns.data;
  const float* value = op.a.values.data;
  const auto begin = static_cast<std::size_t>(op.a.row_offsets[row]),
             end = static_cast<std::size_t>(op.a.row_offsets[row + 1]);
  for (std::size_t k = begin; k < end; ++k) {
    // Which row of b is next no processor can guess, but the list says it.
    if (k + 4 < end) fetch_strip(b + static_cast<std::size_t>(column[k + 4]) * pitch);
    const float* from = b + static_cast<std::size_t>(column[k]) * pitch;
    for (std::size_t v = 0; v < vectors; ++v) sum[v] += value[k] * lanes::load(from + v * lanes::count);
  }
  std::memcpy(out, sum, sizeof sum);
}

void run(Cpu& cpu, const SparseProduct<float>& op) {
  const std::size_t inner = op.a.column_count, strips = (op.c.columns + strip - 1) / strip;
  const std::size_t blocks = (op.a.rows + rows_a_task - 1) / rows_a_task;
  // Packing costs about as much as sixteen uses of every row of b save; what is no whole strip is packed in any case.
  const bool pack = op.a.values.size >= 16 * inner || op.c.columns % strip != 0;
  float* packed = pack ? cpu.workspace.get<float>(strips * inner * strip) : nullptr;
  cpu.pool.for_ranges(pack ? strips * inner : 0, 256, [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; ++at) {
      const std::size_t first = at / inner * strip, count = std::min(strip, op.c.columns - first);
      float* to = std::copy_n(op.b.row(at % inner) + first, count, packed + at * strip);
      std::fill(to, packed + (at + 1) * strip, 0.0f);
    }
  });
  cpu.pool.run(strips * blocks, [&](std::size_t task) {
    const std::size_t s = task / blocks, first = s * strip, begin = task % blocks * rows_a_task;
    const float* b = pack ? packed + s * inner * strip : op.b.row(0) + first;
    for (std::size_t i = begin; i < std::min(op.a.rows, begin + rows_a_task); ++i) {
      float sum[strip];
      strip_of_row(op, i, b, pack ? strip : op.b.pitch, sum);
      std::copy_n(sum, std::min(strip, op.c.columns - first), op.c.row(i) + first);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, SparseProduct<float>)

}  // namespace perturbine

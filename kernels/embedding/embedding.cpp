#include "kernels/embedding/embedding.h"

#include <array>
#include <numeric>
#include <vector>

#include "kernels/core/cpu.h"
#include "kernels/embedding/angle.h"

namespace perturbine {
namespace {

void run(Cpu& cpu, const TimeEmbedding<float>& op) {
  const std::size_t half = op.frequency.size;
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    float* y = op.y.row(i);
    const float t = op.time[i];
#pragma omp simd
    for (std::size_t k = 0; k < half; ++k) formulas::sincos_product(t, op.frequency[k], y[k], y[half + k]);
  });
}

void run(Cpu&, const TimeEmbeddingBackward<float>& op) {
  const std::size_t half = op.frequency.size;
  std::fill_n(op.dfrequency.data, half, 0.0f);
  for (std::size_t i = 0; i < op.dy.rows; ++i) {
    const float t = op.time[i], *dy = op.dy.row(i);
#pragma omp simd
    for (std::size_t k = 0; k < half; ++k) {
      float s, c;
      formulas::sincos_product(t, op.frequency[k], s, c);
      op.dfrequency[k] += t * (dy[k] * c - dy[half + k] * s);
    }
  }
}

template <class T>
void run(Cpu& cpu, const SetEmbedding<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    T* y = op.y.row(i);
    const auto begin = static_cast<std::size_t>(op.row_offsets[i]),
               end = static_cast<std::size_t>(op.row_offsets[i + 1]);
    constexpr std::size_t chunk = 128;
    for (std::size_t j = 0; j < op.y.columns; j += chunk) {
      float sum[chunk] = {};
      const std::size_t count = std::min(chunk, op.y.columns - j);
      for (std::size_t k = begin; k < end; ++k) {
        if (op.index[k] < 0 || static_cast<std::size_t>(op.index[k]) >= op.table.rows) continue;
        const T* row = op.table.row(static_cast<std::size_t>(op.index[k])) + j;
        const float w = op.weight[k];
#pragma omp simd
        for (std::size_t c = 0; c < count; ++c) sum[c] += w * static_cast<float>(row[c]);
      }
      for (std::size_t c = 0; c < count; ++c) put(y[j + c], sum[c]);
    }
  });
}

// By digits of eight bits from the lowest, each pass in the order the last one left; digits that all keys share are
// left out, as most are where a table is small.
void run(Cpu& cpu, const SortKeys<std::int32_t>& op) {
  constexpr std::size_t digits = 4, values = 256;
  const std::size_t n = op.key.size;
  const auto digit = [](std::int32_t key, std::size_t d) {
    return (static_cast<std::uint32_t>(key) ^ 0x80000000u) >> (8 * d) & 255u;  // negative keys first
  };
  std::array<std::array<std::uint32_t, values>, digits> place{};  // how often, then where a digit's keys begin
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t d = 0; d < digits; ++d) ++place[d][digit(op.key[i], d)];
  std::vector<std::size_t> passes;
  for (std::size_t d = 0; d < digits && n > 0; ++d)
    if (place[d][digit(op.key[0], d)] != n) passes.push_back(d);
  for (auto& p : place) std::exclusive_scan(p.begin(), p.end(), p.begin(), 0u);

  std::int32_t* memory = cpu.workspace.get<std::int32_t>(2 * n);
  std::int32_t *key = op.sorted.data, *order = op.order.data, *other_key = memory, *other_order = memory + n;
  if (passes.size() % 2 == 1) std::swap(key, other_key), std::swap(order, other_order);
  std::copy_n(op.key.data, n, key);
  std::iota(order, order + n, 0);
  for (const std::size_t d : passes) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t to = place[d][digit(key[i], d)]++;
      other_key[to] = key[i], other_order[to] = order[i];
    }
    std::swap(key, other_key), std::swap(order, other_order);
  }
}

template <class T>
void run(Cpu& cpu, const SetEmbeddingBackward<T>& op) {
  const std::size_t n = op.dtable.columns;
  const std::int32_t *sorted = op.sorted.data, *last = sorted + op.sorted.size;
  const auto dy_of = [&](const std::int32_t* p) {
    const auto member = static_cast<std::size_t>(op.order[static_cast<std::size_t>(p - sorted)]);
    return std::pair{op.dy.row(static_cast<std::size_t>(op.member_row[member])), op.weight[member]};
  };
  // One task owns neighbouring entries: their members follow one another in the sorted list.
  cpu.pool.for_ranges(op.dtable.rows, rows_per_task(n), [&](std::size_t begin, std::size_t end) {
    const std::int32_t* from = std::lower_bound(sorted, last, static_cast<std::int32_t>(begin));
    for (std::size_t e = begin; e < end; ++e) {
      const std::int32_t* to = from;
      while (to != last && *to == static_cast<std::int32_t>(e)) ++to;
      T* d = op.dtable.row(e);
      if (from == to) std::fill_n(d, n, T{});
      constexpr std::size_t chunk = 512;
      for (std::size_t j = 0; j < n && from != to; j += chunk) {
        float sum[chunk];
        const std::size_t count = std::min(chunk, n - j);
        std::fill_n(sum, count, 0.0f);
        for (const std::int32_t* p = from; p != to; ++p) {
          // Where the next row lies only the list says.
          if (p + 1 != last)
            for (std::size_t c = 0; c < count; c += 64 / sizeof(T)) __builtin_prefetch(dy_of(p + 1).first + j + c);
          const auto [row, w] = dy_of(p);
          const T* dy = row + j;
          const float weight = w;
#pragma omp simd
          for (std::size_t c = 0; c < count; ++c) sum[c] += weight * static_cast<float>(dy[c]);
        }
        for (std::size_t c = 0; c < count; ++c) put(d[j + c], sum[c]);
      }
      from = to;
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, TimeEmbedding<float>)
PERTURBINE_EXECUTE(Cpu, run, TimeEmbeddingBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, SetEmbedding<float>)
PERTURBINE_EXECUTE(Cpu, run, SetEmbedding<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, SortKeys<std::int32_t>)
PERTURBINE_EXECUTE(Cpu, run, SetEmbeddingBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, SetEmbeddingBackward<bfloat16>)

}  // namespace perturbine

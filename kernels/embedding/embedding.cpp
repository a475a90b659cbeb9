#include "kernels/embedding/embedding.h"

#include <numeric>

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

void run(Cpu&, const SortKeys<std::int32_t>& op) {
  std::iota(op.order.data, op.order.data + op.order.size, 0);
  std::stable_sort(op.order.data, op.order.data + op.order.size, [&](std::int32_t a, std::int32_t b) {
    return op.key[static_cast<std::size_t>(a)] < op.key[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < op.key.size; ++i) op.sorted[i] = op.key[static_cast<std::size_t>(op.order[i])];
}

template <class T>
void run(Cpu& cpu, const SetEmbeddingBackward<T>& op) {
  const std::int32_t* first = op.sorted.data;
  const std::int32_t* last = first + op.sorted.size;
  for_rows(cpu, op.dtable.rows, op.dtable.columns, [&](std::size_t e) {
    const auto range = std::equal_range(first, last, static_cast<std::int32_t>(e));
    T* d = op.dtable.row(e);
    if (range.first == range.second) {
      std::fill_n(d, op.dtable.columns, T{});
      return;
    }
    constexpr std::size_t chunk = 128;
    for (std::size_t j = 0; j < op.dtable.columns; j += chunk) {
      float sum[chunk] = {};
      const std::size_t count = std::min(chunk, op.dtable.columns - j);
      for (const std::int32_t* p = range.first; p != range.second; ++p) {
        const auto member = static_cast<std::size_t>(op.order[static_cast<std::size_t>(p - first)]);
        const T* dy = op.dy.row(static_cast<std::size_t>(op.member_row[member])) + j;
        const float w = op.weight[member];
#pragma omp simd
        for (std::size_t c = 0; c < count; ++c) sum[c] += w * static_cast<float>(dy[c]);
      }
      for (std::size_t c = 0; c < count; ++c) put(d[j + c], sum[c]);
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

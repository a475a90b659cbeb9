#include "kernels/pointwise/pointwise.h"

#include "kernels/core/cpu.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

template <class T>
void run(Cpu& cpu, const Combine<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T* a = op.a.row(i);
    T* y = op.y.row(i);
    if (op.b.data == nullptr) {
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j) put(y[j], op.factor_a * static_cast<float>(a[j]));
    } else {
      const T* b = op.b.row(i);
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j)
        put(y[j], op.factor_a * static_cast<float>(a[j]) + op.factor_b * static_cast<float>(b[j]));
    }
  });
}

template <class T>
void run(Cpu& cpu, const GatherRows<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const auto from = static_cast<std::size_t>(op.index[i]);
    T* y = op.y.row(i);
    if (op.index[i] < 0 || from >= op.table.rows) {
      std::fill_n(y, op.y.columns, T{});
    } else if (const T* x = op.table.row(from); op.columns.data == nullptr) {
      std::copy_n(x, op.y.columns, y);
    } else {
      for (std::size_t j = 0; j < op.y.columns; ++j) {
        const auto column = static_cast<std::size_t>(op.columns[j]);  // of a negative number: beyond the table
        y[j] = column < op.table.columns ? x[column] : T{};
      }
    }
  });
}

template <class T>
void run(Cpu& cpu, const Dropout<T>& op) {
  const std::uint64_t offset = op.offset[0] + op.stream;
  const float scale = 1.0f / (1.0f - op.rate);
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T* x = op.x.row(i);
    T* y = op.y.row(i);
    for (std::size_t block = 0; block < op.y.columns; block += 64) {
      std::uint32_t words[4][16];
      philox16(op.seed, offset, matrix_subsequence(i, block), words);
      const std::size_t count = std::min<std::size_t>(64, op.y.columns - block);
      for (std::size_t k = 0; k < count; ++k)
        y[block + k] =
            static_cast<T>(uniform(words[k % 4][k / 4]) > op.rate ? static_cast<float>(x[block + k]) * scale : 0.0f);
    }
  });
}

template <class T>
void run(Cpu& cpu, const ScaleRows<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const float factor = op.factor[i];
    const T* x = op.x.row(i);
    T* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j) put(y[j], factor * static_cast<float>(x[j]));
  });
}

template <class T>
void run(Cpu& cpu, const Silu<T>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const T* x = op.x.row(i);
    T* y = op.y.row(i);
    if (op.dy.data == nullptr) {
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j) put(y[j], formulas::silu(static_cast<float>(x[j])));
    } else {
      const T* dy = op.dy.row(i);
#pragma omp simd
      for (std::size_t j = 0; j < op.y.columns; ++j)
        put(y[j], static_cast<float>(dy[j]) * formulas::silu_slope(static_cast<float>(x[j])));
    }
  });
}

void run(Cpu& cpu, const Sigmoid<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const float *x = op.x.row(i), *dy = op.dy.data != nullptr ? op.dy.row(i) : nullptr;
    float* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j) {
      const float s = formulas::sigmoid(x[j]);
      y[j] = dy != nullptr ? dy[j] * s * (1 - s) : s;
    }
  });
}

void run(Cpu& cpu, const Round<float>& op) {
  for_rows(cpu, op.y.rows, op.y.columns, [&](std::size_t i) {
    const float* x = op.x.row(i);
    bfloat16* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < op.y.columns; ++j)
      y[j].bits = bfloat16(x[j]).bits;  // not the struct: its copy would not become vector code
  });
}

void run(Cpu&, const Advance<std::int32_t>& op) {
  for (std::size_t i = 0; i < op.counter.size; ++i) ++op.counter[i];
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, Advance<std::int32_t>)
PERTURBINE_EXECUTE(Cpu, run, Combine<float>)
PERTURBINE_EXECUTE(Cpu, run, Combine<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, GatherRows<float>)
PERTURBINE_EXECUTE(Cpu, run, GatherRows<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, Dropout<float>)
PERTURBINE_EXECUTE(Cpu, run, Dropout<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, ScaleRows<float>)
PERTURBINE_EXECUTE(Cpu, run, ScaleRows<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, Silu<float>)
PERTURBINE_EXECUTE(Cpu, run, Silu<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, Sigmoid<float>)
PERTURBINE_EXECUTE(Cpu, run, Round<float>)

}  // namespace perturbine

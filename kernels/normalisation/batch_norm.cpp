#include "kernels/normalisation/batch_norm.h"

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

// Columns of one task: what is kept of each stays in the first cache, whatever the number of rows.
constexpr std::size_t task_columns = 64;

template <class Body>
void for_columns(Cpu& cpu, std::size_t columns, Body&& body) {
  cpu.pool.run((columns + task_columns - 1) / task_columns, [&](std::size_t task) {
    const std::size_t first = task * task_columns;
    body(first, std::min(task_columns, columns - first));
  });
}

template <class T>
void run(Cpu& cpu, const BatchNorm<T>& op) {
  const float rows = static_cast<float>(op.x.rows);
  for_columns(cpu, op.x.columns, [&](std::size_t first, std::size_t n) {
    float mean[task_columns] = {}, squares[task_columns] = {}, scale[task_columns], shift[task_columns];
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const T* x = op.x.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) mean[j] += static_cast<float>(x[j]);
    }
    for (std::size_t j = 0; j < n; ++j) mean[j] /= rows;
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const T* x = op.x.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float d = static_cast<float>(x[j]) - mean[j];
        squares[j] += d * d;
      }
    }
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t c = first + j;
      const float inverse = 1.0f / std::sqrt(squares[j] / rows + op.epsilon);
      op.mean[c] = mean[j];
      op.inverse_deviation[c] = inverse;
      if (op.running_mean.data != nullptr) {
        op.running_mean[c] += op.momentum * (mean[j] - op.running_mean[c]);
        op.running_variance[c] += op.momentum * (squares[j] / (rows - 1) - op.running_variance[c]);
      }
      scale[j] = inverse * op.gain[c];
      shift[j] = op.bias[c];
    }
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const T* x = op.x.row(i) + first;
      T* y = op.y.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float z = (static_cast<float>(x[j]) - mean[j]) * scale[j] + shift[j];
        put(y[j], z > 0 ? z : op.slope * z);
      }
    }
  });
}

template <class T>
void run(Cpu& cpu, const BatchNormBackward<T>& op) {
  const float rows = static_cast<float>(op.x.rows);
  for_columns(cpu, op.x.columns, [&](std::size_t first, std::size_t n) {
    float dgain[task_columns] = {}, dbias[task_columns] = {};
    const float *gain = op.gain.data + first, *bias = op.bias.data + first, *mean = op.mean.data + first,
                *inverse = op.inverse_deviation.data + first;
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const T *x = op.x.row(i) + first, *dy = op.dy.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float normalised = (static_cast<float>(x[j]) - mean[j]) * inverse[j];
        const float g = static_cast<float>(dy[j]) * (normalised * gain[j] + bias[j] > 0 ? 1.0f : op.slope);
        dgain[j] += g * normalised;
        dbias[j] += g;
      }
    }
    for (std::size_t i = 0; i < op.x.rows; ++i) {
      const T *x = op.x.row(i) + first, *dy = op.dy.row(i) + first;
      T* dx = op.dx.row(i) + first;
#pragma omp simd
      for (std::size_t j = 0; j < n; ++j) {
        const float normalised = (static_cast<float>(x[j]) - mean[j]) * inverse[j];
        const float g = static_cast<float>(dy[j]) * (normalised * gain[j] + bias[j] > 0 ? 1.0f : op.slope);
        const float d = inverse[j] * gain[j] * (g - dbias[j] / rows - normalised * dgain[j] / rows);
        put(dx[j], op.accumulate ? static_cast<float>(dx[j]) + d : d);
      }
    }
    std::copy_n(dgain, n, op.dgain.data + first);
    std::copy_n(dbias, n, op.dbias.data + first);
  });
}

template <class T>
void run(Cpu& cpu, const BatchNormInference<T>& op) {
  const std::size_t n = op.x.columns;
  float* inverse = cpu.workspace.get<float>(n);
  for (std::size_t j = 0; j < n; ++j) inverse[j] = 1.0f / std::sqrt(op.variance[j] + op.epsilon);
  for_rows(cpu, op.x.rows, n, [&](std::size_t i) {
    const T* x = op.x.row(i);
    T* y = op.y.row(i);
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) {
      const float z = (static_cast<float>(x[j]) - op.mean[j]) * inverse[j] * op.gain[j] + op.bias[j];
      put(y[j], z > 0 ? z : op.slope * z);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, BatchNorm<float>)
PERTURBINE_EXECUTE(Cpu, run, BatchNorm<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, BatchNormBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, BatchNormBackward<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, BatchNormInference<float>)
PERTURBINE_EXECUTE(Cpu, run, BatchNormInference<bfloat16>)

}  // namespace perturbine

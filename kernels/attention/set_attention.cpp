#include "kernels/attention/set_attention.h"

#include <vector>

#include "kernels/core/cpu.h"

namespace perturbine {
namespace {

template <class T>
float dot(const T* a, const T* b, std::size_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += static_cast<float>(a[j]) * static_cast<float>(b[j]);
  return sum;
}

template <class T>
void run(Cpu& cpu, const SetAttention<T>& op) {
  const std::size_t set = op.set_size(), width = op.query.columns / op.heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  for_rows(cpu, op.y.rows, op.y.columns * set, [&](std::size_t i) {
    const auto length = static_cast<std::size_t>(op.length[i]);
    std::vector<float> sum(width);
    for (std::size_t h = 0; h < op.heads; ++h) {
      float* weight = op.weights.row(i) + h * set;
      const T* query = op.query.row(i) + h * width;
      float largest = -1e30f, total = 0;
      for (std::size_t m = 0; m < length; ++m) {
        weight[m] = scale * dot(query, op.keys.row(i * set + m) + h * width, width);
        largest = std::max(largest, weight[m]);
      }
      for (std::size_t m = 0; m < length; ++m) total += weight[m] = formulas::exp(weight[m] - largest);
      for (std::size_t m = 0; m < set; ++m) weight[m] = m < length ? weight[m] / total : 0.0f;
      std::fill(sum.begin(), sum.end(), 0.0f);
      for (std::size_t m = 0; m < length; ++m) {
        const T* value = op.values.row(i * set + m) + h * width;
        for (std::size_t j = 0; j < width; ++j) sum[j] += weight[m] * static_cast<float>(value[j]);
      }
      for (std::size_t j = 0; j < width; ++j) put(op.y(i, h * width + j), sum[j]);
    }
  });
}

template <class T>
void run(Cpu& cpu, const SetAttentionBackward<T>& op) {
  const std::size_t set = op.set_size(), width = op.query.columns / op.heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  for_rows(cpu, op.dy.rows, op.dy.columns * set, [&](std::size_t i) {
    std::vector<float> dquery(width), slope(set);
    for (std::size_t h = 0; h < op.heads; ++h) {
      const float* weight = op.weights.row(i) + h * set;
      const T *query = op.query.row(i) + h * width, *dy = op.dy.row(i) + h * width;
      float mean = 0;
      for (std::size_t m = 0; m < set; ++m) {
        slope[m] = dot(dy, op.values.row(i * set + m) + h * width, width);
        mean += weight[m] * slope[m];
      }
      std::fill(dquery.begin(), dquery.end(), 0.0f);
      for (std::size_t m = 0; m < set; ++m) {
        const float d = scale * weight[m] * (slope[m] - mean);
        const T* key = op.keys.row(i * set + m) + h * width;
        T *dkey = op.dkeys.row(i * set + m) + h * width, *dvalue = op.dvalues.row(i * set + m) + h * width;
        for (std::size_t j = 0; j < width; ++j) {
          dquery[j] += d * static_cast<float>(key[j]);
          put(dkey[j], d * static_cast<float>(query[j]));
          put(dvalue[j], weight[m] * static_cast<float>(dy[j]));
        }
      }
      for (std::size_t j = 0; j < width; ++j) put(op.dquery(i, h * width + j), dquery[j]);
    }
  });
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, SetAttention<float>)
PERTURBINE_EXECUTE(Cpu, run, SetAttention<bfloat16>)
PERTURBINE_EXECUTE(Cpu, run, SetAttentionBackward<float>)
PERTURBINE_EXECUTE(Cpu, run, SetAttentionBackward<bfloat16>)

}  // namespace perturbine

// Native variants of film_layer_norm.
#include "kernels/core/cpu.h"
#include "bench/studies/variant.h"
#include "kernels/normalisation/film_layer_norm.h"

namespace perturbine::studies {
namespace {

using Op = FilmLayerNorm<float>;

float activated(const Op& op, float z) { return op.activate ? formulas::silu(z) : z; }

__attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize"))) void scalar_row(const Op& op, std::size_t i) {
  const float *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
  const std::size_t n = op.x.columns;
  float sum = 0, squares = 0;
  for (std::size_t j = 0; j < n; ++j) sum += x[j];
  const float mean = sum / static_cast<float>(n);
  for (std::size_t j = 0; j < n; ++j) squares += (x[j] - mean) * (x[j] - mean);
  const float inverse = 1 / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
  for (std::size_t j = 0; j < n; ++j) op.y(i, j) = activated(op, (x[j] - mean) * inverse * (1 + scale[j]) + shift[j]);
  op.mean[i] = mean, op.inverse_deviation[i] = inverse;
}

template <bool Activate>
void write_row(const Op& op, std::size_t i, float mean, float inverse) {
  const float *x = op.x.row(i), *scale = op.scale.row(op.film_row(i)), *shift = op.shift.row(op.film_row(i));
  float* y = op.y.row(i);
#pragma omp simd
  for (std::size_t j = 0; j < op.x.columns; ++j) {
    const float z = (x[j] - mean) * inverse * (1 + scale[j]) + shift[j];
    y[j] = Activate ? formulas::silu(z) : z;
  }
  op.mean[i] = mean, op.inverse_deviation[i] = inverse;
}

void vectorised_row(const Op& op, std::size_t i) {
  const float* x = op.x.row(i);
  const std::size_t n = op.x.columns;
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += x[j];
  const float mean = sum / static_cast<float>(n);
#pragma omp simd reduction(+ : squares)
  for (std::size_t j = 0; j < n; ++j) squares += (x[j] - mean) * (x[j] - mean);
  const float inverse = 1 / std::sqrt(squares / static_cast<float>(n) + op.epsilon);
  op.activate ? write_row<true>(op, i, mean, inverse) : write_row<false>(op, i, mean, inverse);
}

// E[x^2] - E[x]^2 cancels: in float it fails where the mean is large, so the sums are double.
void one_pass_row(const Op& op, std::size_t i) {
  const float* x = op.x.row(i);
  const std::size_t n = op.x.columns;
  double sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (std::size_t j = 0; j < n; ++j) {
    const double v = static_cast<double>(x[j]);
    sum += v, squares += v * v;
  }
  const double mean = sum / static_cast<double>(n),
               variance = std::max(0.0, squares / static_cast<double>(n) - mean * mean);
  const float inverse = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(op.epsilon)));
  op.activate ? write_row<true>(op, i, static_cast<float>(mean), inverse)
              : write_row<false>(op, i, static_cast<float>(mean), inverse);
}

template <void (*Row)(const Op&, std::size_t)>
void by_rows(Cpu& cpu, const Op& op) {
  for_rows(cpu, op.x.rows, op.x.columns, [&](std::size_t i) { Row(op, i); });
}

}  // namespace

PERTURBINE_VARIANT("film_layer_norm", "scalar", Cpu, by_rows<scalar_row>, FilmLayerNorm<float>)
PERTURBINE_VARIANT("film_layer_norm", "one_pass_statistics", Cpu, by_rows<one_pass_row>, FilmLayerNorm<float>)
PERTURBINE_VARIANT("film_layer_norm", "vectorised", Cpu, by_rows<vectorised_row>, FilmLayerNorm<float>)

}  // namespace perturbine::studies

#include "kernels/similarity/independence.h"

#include "kernels/similarity/packed_points.h"

namespace perturbine {
namespace {

constexpr std::size_t tile = PackedPoints::tile;

// exp(-gamma |point - p|^2) for the 64 points p of a tile.
void kernel_row(const PackedPoints& points, const float* point, std::size_t t, float gamma, float (&k)[tile]) {
  points.squared_distances(point, t, k);
#pragma omp simd
  for (std::size_t j = 0; j < tile; ++j) k[j] = formulas::exp(-gamma * k[j]);
}

void means(Cpu& cpu, const PackedPoints& packed, MatrixView<const float> points, float gamma, VectorView<float> mean) {
  const std::size_t n = points.rows;
  for_rows(cpu, n, n * 4, [&](std::size_t i) {
    double sum = 0;
    for (std::size_t t = 0; t < packed.tiles(); ++t) {
      float k[tile];
      kernel_row(packed, points.row(i), t, gamma, k);
      for (std::size_t j = 0; j < tile && t * tile + j < n; ++j) sum += static_cast<double>(k[j]);
    }
    mean[i] = static_cast<float>(sum / static_cast<double>(n));
  });
  double all = 0;
  for (std::size_t i = 0; i < n; ++i) all += static_cast<double>(mean[i]);
  mean[n] = static_cast<float>(all / static_cast<double>(n));
}

void run(Cpu& cpu, const Independence<float>& op) {
  const std::size_t n = op.x.rows;
  const std::size_t x_numbers = PackedPoints::numbers(op.x), y_numbers = PackedPoints::numbers(op.y);
  float* memory = cpu.workspace.get<float>(x_numbers + y_numbers + n);
  const PackedPoints x(cpu, op.x, memory), y(cpu, op.y, memory + x_numbers);
  float* part = memory + x_numbers + y_numbers;
  means(cpu, x, op.x, op.gamma_x, op.row_mean), means(cpu, y, op.y, op.gamma_y, op.column_mean);
  for_rows(cpu, n, n * 8, [&](std::size_t i) {
    double sum = 0;
    for (std::size_t t = 0; t < x.tiles(); ++t) {
      float k[tile], l[tile];
      kernel_row(x, op.x.row(i), t, op.gamma_x, k), kernel_row(y, op.y.row(i), t, op.gamma_y, l);
      for (std::size_t j = 0; j < tile && t * tile + j < n; ++j)
        sum += static_cast<double>(k[j] - op.row_mean[i] - op.row_mean[t * tile + j] + op.row_mean[n]) *
               static_cast<double>(l[j] - op.column_mean[i] - op.column_mean[t * tile + j] + op.column_mean[n]);
    }
    part[i] = static_cast<float>(sum);
  });
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(part[i]);
  op.value[0] = static_cast<float>(sum / std::pow(static_cast<double>(n - 1), 2));
}

// d[i] = scale * sum over j of centred(other kernel)_ij * own kernel_ij * (p_i - p_j).
void pass(Cpu& cpu, MatrixView<const float> own, const PackedPoints& packed, float gamma, MatrixView<const float> other,
          const PackedPoints& packed_other, float gamma_other, VectorView<const float> mean, float scale,
          MatrixView<float> d) {
  const std::size_t n = own.rows, width = own.columns;
  for_rows(cpu, n, n * 8, [&](std::size_t i) {
    float* out = d.row(i);
    std::fill_n(out, width, 0.0f);
    for (std::size_t t = 0; t < packed.tiles(); ++t) {
      float k[tile], l[tile];
      kernel_row(packed, own.row(i), t, gamma, k), kernel_row(packed_other, other.row(i), t, gamma_other, l);
      for (std::size_t j = 0; j < tile; ++j) {
        const std::size_t at = t * tile + j;
        k[j] = at < n ? scale * k[j] * (l[j] - mean[i] - mean[at] + mean[n]) : 0.0f;
      }
      for (std::size_t c = 0; c < width; ++c) {
        const float *p = packed.column(t, c), x = own(i, c);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::size_t j = 0; j < tile; ++j) sum += k[j] * (x - p[j]);
        out[c] += sum;
      }
    }
  });
}

void run(Cpu& cpu, const IndependenceBackward<float>& op) {
  float* memory = cpu.workspace.get<float>(PackedPoints::numbers(op.x) + PackedPoints::numbers(op.y));
  const PackedPoints x(cpu, op.x, memory), y(cpu, op.y, memory + PackedPoints::numbers(op.x));
  const float n = static_cast<float>(op.x.rows), scale = -4 * op.dvalue[0] / ((n - 1) * (n - 1));
  pass(cpu, op.x, x, op.gamma_x, op.y, y, op.gamma_y, op.column_mean, scale * op.gamma_x, op.dx);
  pass(cpu, op.y, y, op.gamma_y, op.x, x, op.gamma_x, op.row_mean, scale * op.gamma_y, op.dy);
}

}  // namespace

PERTURBINE_EXECUTE(Cpu, run, Independence<float>)
PERTURBINE_EXECUTE(Cpu, run, IndependenceBackward<float>)

}  // namespace perturbine

// Native variants of sums over pairs.
#include <vector>

#include "bench/studies/variant.h"
#include "kernels/dense/product.h"
#include "kernels/similarity/packed_points.h"
#include "kernels/similarity/similarity.h"

namespace perturbine::studies {
namespace {

using Op = PairwiseSum<float>;

// Replaces squared distances by the kernel's values.
void apply_kernel(const Op& op, float* squared, std::size_t n) {
  if (op.kernel == PairKernel::euclidean) {
#pragma omp simd
    for (std::size_t j = 0; j < n; ++j) squared[j] = std::sqrt(squared[j]);
    return;
  }
  const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, op.gammas.size));
  constexpr std::size_t lanes = 64;
  for (std::size_t first = 0; first < n; first += lanes) {
    const std::size_t count = std::min(lanes, n - first);
    float sum[lanes] = {};
    for (std::size_t g = 0; g < op.gammas.size; ++g) {
      const float gamma = op.gammas[g];
#pragma omp simd
      for (std::size_t j = 0; j < count; ++j) sum[j] += formulas::exp(-gamma * squared[first + j]);
    }
#pragma omp simd
    for (std::size_t j = 0; j < count; ++j) squared[first + j] = share * sum[j];
  }
}

float sum_of_row(const Op& op, const float* value, std::size_t i) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < op.y.rows; ++j) sum += static_cast<double>(value[j]);
  if (op.same) sum -= static_cast<double>(value[i]);
  return static_cast<float>(sum);
}

void a_pair_at_a_time(Cpu& cpu, const Op& op) {
  for_rows(cpu, op.x.rows, op.y.rows * 4, [&](std::size_t i) {
    double total = 0;
    for (std::size_t j = 0; j < op.y.rows; ++j) {
      if (op.same && i == j) continue;
      const float *x = op.x.row(i), *y = op.y.row(j);
      float squared = 0;
#pragma omp simd reduction(+ : squared)
      for (std::size_t k = 0; k < op.x.columns; ++k) squared += (x[k] - y[k]) * (x[k] - y[k]);
      apply_kernel(op, &squared, 1);
      total += static_cast<double>(squared);
    }
    op.sum[i] = static_cast<float>(total);
  });
}

void materialised(Cpu& cpu, const Op& op) {
  constexpr std::size_t tile = PackedPoints::tile;
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  const std::size_t pitch = y.tiles() * tile;
  static thread_local std::vector<float> matrix;
  matrix.resize(op.x.rows * pitch);
  float* all = matrix.data();
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    for (std::size_t t = 0; t < y.tiles(); ++t) {
      float squared[tile];
      y.squared_distances(op.x.row(i), t, squared);
      std::copy_n(squared, tile, all + i * pitch + t * tile);
    }
  });
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    apply_kernel(op, all + i * pitch, m);
    op.sum[i] = sum_of_row(op, all + i * pitch, i);
  });
}

void one_row(Cpu& cpu, const Op& op) {
  constexpr std::size_t tile = PackedPoints::tile;
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  for_rows(cpu, op.x.rows, m * 4, [&](std::size_t i) {
    double total = 0;
    for (std::size_t t = 0; t < y.tiles(); ++t) {
      float value[tile];
      y.squared_distances(op.x.row(i), t, value);
      apply_kernel(op, value, tile);
      if (op.same && i / tile == t) value[i % tile] = 0;
      float sum = 0;
      for (std::size_t j = 0; j < std::min(tile, m - t * tile); ++j) sum += value[j];
      total += static_cast<double>(sum);
    }
    op.sum[i] = static_cast<float>(total);
  });
}

void four_rows(Cpu& cpu, const Op& op) {
  constexpr std::size_t tile = PackedPoints::tile, at_once = PackedPoints::rows_at_once;
  const std::size_t m = op.y.rows;
  const PackedPoints y(cpu, op.y);
  cpu.pool.for_ranges(op.x.rows, 4 * at_once, [&](std::size_t begin, std::size_t end) {
    for (std::size_t first = begin; first < end; first += at_once) {
      const float* x[at_once];
      for (std::size_t r = 0; r < at_once; ++r) x[r] = op.x.row(std::min(first + r, end - 1));
      double total[at_once] = {};
      for (std::size_t t = 0; t < y.tiles(); ++t) {
        float value[at_once][tile];
        y.squared_distances<at_once>(x, t, value);
        for (std::size_t r = 0; r < at_once; ++r) {
          apply_kernel(op, value[r], tile);
          if (op.same && (first + r) / tile == t) value[r][(first + r) % tile] = 0;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (std::size_t j = 0; j < std::min(tile, m - t * tile); ++j) sum += value[r][j];
          total[r] += static_cast<double>(sum);
        }
      }
      for (std::size_t r = 0; r < at_once && first + r < end; ++r) op.sum[first + r] = static_cast<float>(total[r]);
    }
  });
}

void as_a_product(Cpu& cpu, const Op& op) {
  constexpr std::size_t block = 64;
  const std::size_t m = op.y.rows, width = op.x.columns;
  auto squares = [&](MatrixView<const float> points) {
    std::vector<float> s(points.rows);
    for (std::size_t i = 0; i < points.rows; ++i)
      for (std::size_t k = 0; k < width; ++k) s[i] += points(i, k) * points(i, k);
    return s;
  };
  const std::vector<float> of_x = squares(op.x), of_y = squares(op.y);
  static thread_local std::vector<float> rows;
  rows.resize(block * m);
  float* d = rows.data();
  for (std::size_t first = 0; first < op.x.rows; first += block) {
    const std::size_t n = std::min(block, op.x.rows - first);
    execute(cpu, MatrixProduct<float>{{op.x.row(first), n, width, op.x.pitch}, op.y, {d, n, m, m}, false, true, false});
    for_rows(cpu, n, m * 4, [&](std::size_t i) {
      float* row = d + i * m;
#pragma omp simd
      for (std::size_t j = 0; j < m; ++j) row[j] = std::max(0.0f, of_x[first + i] + of_y[j] - 2 * row[j]);
      apply_kernel(op, row, m);
      op.sum[first + i] = sum_of_row(op, row, first + i);
    });
  }
}

}  // namespace

PERTURBINE_VARIANT("pairwise_sum", "a_pair_at_a_time", Cpu, a_pair_at_a_time, PairwiseSum<float>)
PERTURBINE_VARIANT("pairwise_sum", "materialised", Cpu, materialised, PairwiseSum<float>)
PERTURBINE_VARIANT("pairwise_sum", "one_row", Cpu, one_row, PairwiseSum<float>)
PERTURBINE_VARIANT("pairwise_sum", "four_rows", Cpu, four_rows, PairwiseSum<float>)
PERTURBINE_VARIANT("pairwise_sum", "as_a_product", Cpu, as_a_product, PairwiseSum<float>)

}  // namespace perturbine::studies

// Points side by side, 64 to a tile, so that the distances of one point to 64 others are neighbouring lanes. For the
// CPU kernels that walk pairs.
#pragma once
#include "kernels/core/cpu.h"

namespace perturbine {

class PackedPoints {
 public:
  static constexpr std::size_t tile = 64;

  /// Packs the rows of `points` into the executor's workspace, which holds one such set at a time.
  PackedPoints(Cpu& cpu, MatrixView<const float> points)
      : PackedPoints(cpu, points, cpu.workspace.get<float>(numbers(points))) {}
  /// Into `memory` for numbers(points) floats.
  PackedPoints(Cpu& cpu, MatrixView<const float> points, float* memory)
      : width_(points.columns), count_(points.rows), data_(memory) {
    float* to = data_;
    cpu.pool.run(tiles(), [=, this](std::size_t t) {
      for (std::size_t k = 0; k < width_; ++k)
        for (std::size_t j = 0; j < tile; ++j)
          to[(t * width_ + k) * tile + j] = t * tile + j < count_ ? points(t * tile + j, k) : 0.0f;
    });
  }
  static std::size_t numbers(MatrixView<const float> points) {
    return (points.rows + tile - 1) / tile * tile * points.columns;
  }
  std::size_t tiles() const { return (count_ + tile - 1) / tile; }
  /// Coordinate k of the 64 points of tile t.
  const float* column(std::size_t t, std::size_t k) const { return data_ + (t * width_ + k) * tile; }
  /// |x - y|^2 for the 64 points y of tile t; those behind the last are at the origin.
  void squared_distances(const float* x, std::size_t t, float (&squared)[tile]) const {
    for (std::size_t j = 0; j < tile; ++j) squared[j] = 0;
    for (std::size_t k = 0; k < width_; ++k) {
      const float xk = x[k];
      const float* yk = data_ + (t * width_ + k) * tile;
#pragma omp simd
      for (std::size_t j = 0; j < tile; ++j) squared[j] += (xk - yk[j]) * (xk - yk[j]);
    }
  }

 private:
  std::size_t width_, count_;
  float* data_;
};

}  // namespace perturbine

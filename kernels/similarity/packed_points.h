// Points side by side, 64 to a tile, so that the distances of one point to 64 others are neighbouring lanes. For the
// CPU kernels that walk pairs.
#pragma once
#include "kernels/core/cpu.h"
#include "kernels/core/lanes.h"

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
  /// |x - y|^2 of `Rows` points x and the 64 points y of tile t; those behind the last are at the origin. The sums stay
  /// in registers and every y is read once for all rows; a point's sums do not depend on which others are beside it.
  template <std::size_t Rows>
  void squared_distances(const float* const (&x)[Rows], std::size_t t, float (&squared)[Rows][tile]) const {
    sums<Rows>(x, t, squared, [](Lanes& sum, float a, const Lanes& b) {
      const Lanes d = a - b;
      sum += d * d;
    });
  }
  /// x . y in the same way: half the work.
  template <std::size_t Rows>
  void products(const float* const (&x)[Rows], std::size_t t, float (&product)[Rows][tile]) const {
    sums<Rows>(x, t, product, [](Lanes& sum, float a, const Lanes& b) { sum += a * b; });
  }
  void squared_distances(const float* x, std::size_t t, float (&squared)[tile]) const {
    squared_distances<1>({x}, t, reinterpret_cast<float(&)[1][tile]>(squared));
  }
  /// How many rows at once the registers hold the sums of.
#if defined(__AVX512F__)
  static constexpr std::size_t rows_at_once = 4;
#else
  static constexpr std::size_t rows_at_once = 1;
#endif

 private:
  static constexpr std::size_t parts = tile / lanes::count;

  template <std::size_t Rows, class Term>
  void sums(const float* const (&x)[Rows], std::size_t t, float (&out)[Rows][tile], Term&& add_term) const {
    Lanes sum[Rows][parts] = {};
    for (std::size_t k = 0; k < width_; ++k) {
      const float* y = column(t, k);
      for (std::size_t r = 0; r < Rows; ++r)
        for (std::size_t q = 0; q < parts; ++q) add_term(sum[r][q], x[r][k], lanes::load(y + q * lanes::count));
    }
    for (std::size_t r = 0; r < Rows; ++r)
      for (std::size_t q = 0; q < parts; ++q) lanes::store(out[r] + q * lanes::count, sum[r][q]);
  }

  std::size_t width_, count_;
  float* data_;
};

}  // namespace perturbine

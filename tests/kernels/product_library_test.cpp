// The library behind products: operands whose rows collide in the cache are copied apart, whatever processor runs the
// test, and the product is the same to rounding.
#include "kernels/dense/product_library.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  std::vector<float> v(count);
  normal_row(seed, 0, 0, v.data(), count);
  return v;
}

TEST(ProductLibrary, CopiesOfCollidingRowsChangeNothing) {
  constexpr std::size_t pitch = 256, pitch_c = 131;
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      for (const bool accumulate : {false, true})
        for (const std::size_t m : {63u, 64u, 129u})
          for (const std::size_t n : {5u, 64u, 131u}) {
            const std::size_t k = 97;
            const auto a = normals((transpose_a ? k : m) * pitch, 1), b = normals((transpose_b ? n : k) * pitch, 2),
                       before = normals(m * pitch_c, 3);
            blas::Tile tile{m, n, k, transpose_a, transpose_b, accumulate, pitch, pitch, pitch_c};
            tile.spread_rows = true;
            auto spread = before;
            blas::multiply(tile, a.data(), b.data(), spread.data());
            for (std::size_t i = 0; i < m; ++i)
              for (std::size_t j = 0; j < pitch_c; ++j) {
                double expected = j >= n || accumulate ? static_cast<double>(before[i * pitch_c + j]) : 0, terms = 1;
                for (std::size_t l = 0; l < k && j < n; ++l) {
                  const double term = static_cast<double>(transpose_a ? a[l * pitch + i] : a[i * pitch + l]) *
                                      static_cast<double>(transpose_b ? b[j * pitch + l] : b[l * pitch + j]);
                  expected += term, terms += std::abs(term);
                }
                ASSERT_NEAR(static_cast<double>(spread[i * pitch_c + j]), expected, 1e-6 * terms)
                    << m << "x" << n << (transpose_a ? " a transposed" : "") << (transpose_b ? " b transposed" : "")
                    << (accumulate ? " accumulated" : "") << " at " << i << ", " << j;
              }
          }
}

}  // namespace
}  // namespace perturbine

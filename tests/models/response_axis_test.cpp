// How far a cell responds as a coordinate of its own.
#include "models/response_axis.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

const std::vector<float> variance{4, 1, .25f, .01f}, change{1, -2, .5f, .3f};

TEST(ResponseAxis, ReducingUndoesExtendingWhateverTheFill) {
  const ResponseAxis axis(change, variance);
  ASSERT_TRUE(axis.exists());
  EXPECT_NEAR(axis.length(), std::sqrt(1 / 4. + 4 + 1 + 9), 1e-5);
  const std::vector<float> x{.3f, -1, 2, .1f};
  for (const float fill : {-2.0f, 0.0f, 5.0f}) {
    std::vector<float> extended(5), back(4);
    axis.extend(x.data(), 4, fill, extended.data());
    axis.reduce(extended.data(), 4, back.data());
    for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(back[k], x[k], 1e-5);
    // The last is how far the cell lies along the change, in standard deviations.
    double along = 0;
    for (std::size_t k = 0; k < 4; ++k)
      along += static_cast<double>(x[k] * change[k] / variance[k]) / static_cast<double>(axis.length());
    EXPECT_NEAR(extended[4], along, 1e-5);
  }
}

TEST(ResponseAxis, WithoutAChangeTheFillIsTheLastCoordinate) {
  const ResponseAxis axis({0, 0, 0, 0}, variance);
  EXPECT_FALSE(axis.exists());
  EXPECT_EQ(axis.length(), 0);
  const std::vector<float> x{.3f, -1, 2, .1f};
  std::vector<float> extended(5), back(4);
  axis.extend(x.data(), 4, 7, extended.data());
  EXPECT_EQ(extended[4], 7);
  axis.reduce(extended.data(), 4, back.data());
  EXPECT_EQ(back, x);
}

TEST(ResponseAxis, OfGaussianCellsTheCoordinatesAreIndependentWithTheirVariances) {
  const ResponseAxis axis(change, variance);
  constexpr std::size_t n = 40000;
  double covariance[5][5] = {};
  for (std::size_t i = 0; i < n; ++i) {
    float z[8], extended[5];
    normal4(1, 0, i, z), normal4(1, 1, i, z + 4);
    for (std::size_t k = 0; k < 4; ++k) z[k] *= std::sqrt(variance[k]);
    axis.extend(z, 4, z[4], extended);
    for (std::size_t a = 0; a < 5; ++a)
      for (std::size_t b = 0; b < 5; ++b)
        covariance[a][b] += static_cast<double>(extended[a]) * static_cast<double>(extended[b]) / n;
  }
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = 0; b < 5; ++b) {
      const double scale = std::sqrt(static_cast<double>((a < 4 ? variance[a] : 1) * (b < 4 ? variance[b] : 1)));
      EXPECT_NEAR(covariance[a][b] / scale, a == b ? 1 : 0, .03) << a << b;
    }
}

}  // namespace
}  // namespace perturbine

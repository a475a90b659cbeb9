// Principal components against a planted subspace and their own definition.
#include "models/principal_components.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {
TEST(PrincipalComponents, FindAPlantedSubspace) {
  const std::size_t n = 300, g = 40;
  std::vector<float> x(n * g);
  for (std::size_t i = 0; i < n; ++i) {
    float z[4];
    normal4(5, 0, i, z);
    for (std::size_t j = 0; j < g; ++j) {
      float e[4];
      normal4(6, i, j, e);
      x[i * g + j] = 1 + 5 * z[0] * (j == 3 ? 1.0f : 0.0f) + 2 * z[1] * (j == 7 ? 1.0f : 0.0f) + .1f * e[0];
    }
  }
  const auto p = principal_components(x.data(), n, g, 5);
  EXPECT_NEAR(std::abs(p.components(0, 3)), 1, 1e-3);
  EXPECT_NEAR(std::abs(p.components(1, 7)), 1, 1e-3);
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = 0; b < 5; ++b) {
      double dot = 0;
      for (std::size_t j = 0; j < g; ++j) dot += p.components(a, j) * p.components(b, j);
      EXPECT_NEAR(dot, a == b ? 1 : 0, 1e-9);
    }
  EXPECT_GT(p.variance[0], p.variance[1]);
}

TEST(PrincipalComponents, AreEigenvectorsOfTheCovarianceWhicheverSideIsShorter) {
  // Noise of slowly falling variance: neighbouring components are nearly as strong. Dense cells and sparse ones, with
  // the products kept and multiplied out.
  for (const bool sparse : {false, true})
    for (const std::size_t largest_kept : {8192, 0})
      for (const auto& [n, g] : {std::pair<std::size_t, std::size_t>{300, 120}, {90, 400}, {40, 40}, {6, 9}}) {
        std::vector<float> x(n * g);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < g; ++j) {
            float z[4];
            normal4(8, i, j, z);
            const bool zero = sparse && z[1] < 1.4f;  // eleven of twelve
            x[i * g + j] = zero ? 0 : 3 + z[0] / (1 + .01f * static_cast<float>(j));
          }
        const std::size_t count = std::min<std::size_t>(20, std::min(n, g) - 1);
        const auto p = principal_components(x.data(), n, g, count, largest_kept);
        for (std::size_t k = 0; k < count; ++k) {
          std::vector<double> image(g, 0);
          for (std::size_t i = 0; i < n; ++i) {
            double score = 0;
            for (std::size_t j = 0; j < g; ++j)
              score += (static_cast<double>(x[i * g + j]) - p.mean[j]) * p.components(k, j);
            for (std::size_t j = 0; j < g; ++j)
              image[j] += score * (static_cast<double>(x[i * g + j]) - p.mean[j]) / static_cast<double>(n - 1);
          }
          double miss = 0;
          for (std::size_t j = 0; j < g; ++j) miss += std::pow(image[j] - p.variance[k] * p.components(k, j), 2);
          EXPECT_LT(std::sqrt(miss), 2e-4 * p.variance[0]) << n << " x " << g << ", component " << k;
          if (k > 0) {
            EXPECT_LE(p.variance[k], p.variance[k - 1]);
          }
        }
      }
}

}  // namespace
}  // namespace perturbine

// Which cells respond: rare ones, two kinds, and what generated cells teach.
#include "evaluation/responders.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

TEST(Responders, RareOnes) {
  // Along the only axis: controls at 0, responders at 1; x has none, twice as many, or as many cells far out.
  auto sample = [](std::size_t far) {
    std::vector<float> x;
    for (std::size_t i = 0; i < 400; ++i) x.push_back(i < far ? 5.0f : 1 + .001f * static_cast<float>(i));
    return x;
  };
  const std::vector<float> controls(100, 0), real = sample(10);
  auto error = [&](const std::vector<float>& x) {
    return rare_fraction_error(matrix(x.data(), x.size(), 1), matrix(real.data(), real.size(), 1),
                               matrix(controls.data(), controls.size(), 1));
  };
  EXPECT_NEAR(error(real), 0, 1e-6);
  EXPECT_GT(error(sample(0)), 2);
  EXPECT_NEAR(error(sample(20)), 1, .15);
  EXPECT_NEAR(error(sample(5)), 1, .25);
}

// Cells [count, 2]: a share at (shift, 0), the others at (0, 0), unit normal about it.
std::vector<float> two_kinds(std::uint64_t seed, std::size_t count, double share, double shift) {
  std::vector<float> x;
  for (std::size_t i = 0; i < count; ++i) {
    float z[4];
    normal4(seed, 0, i, z);
    const bool moved = static_cast<double>(i) < share * static_cast<double>(count);
    x.push_back(z[0] + (moved ? static_cast<float>(shift) : 0.0f));
    x.push_back(z[1]);
  }
  return x;
}
MatrixView<const float> view(const std::vector<float>& x) { return matrix(x.data(), x.size() / 2, 2); }

TEST(Responders, TheSecondModeStandsOutAsFarAsItIs) {
  // Densities known: peaks 6 apart, valley nothing; of equal height, of half the height, and one alone.
  auto sorted = [](double share) {
    std::vector<float> x;
    for (const auto& v : two_kinds(3, 4000, share, 6)) x.push_back(v);
    std::vector<float> first;
    for (std::size_t i = 0; i < x.size(); i += 2) first.push_back(x[i]);
    std::sort(first.begin(), first.end());
    return first;
  };
  const auto equal = sorted(.5), third = sorted(1. / 3), one = sorted(0);
  const double h = .3;
  EXPECT_NEAR(second_mode(equal, h), 1, .12);
  EXPECT_NEAR(second_mode(third, h), .5, .1);
  EXPECT_LT(second_mode(one, h), .02);
  EXPECT_EQ(second_mode({1, 1, 1}, 0), 0);
  // Of a unit normal about .9 n^(-1/5).
  EXPECT_NEAR(silverman_bandwidth(one), .9 * std::pow(4000, -.2), .02);
}

TEST(Responders, BimodalityErrorIsSmallOnlyWhereBothHaveTwoKinds) {
  const auto real = two_kinds(5, 400, .5, 5), control = two_kinds(6, 400, 0, 0);
  const auto same = two_kinds(7, 400, .5, 5), middle = two_kinds(8, 400, 1, 2.5);
  EXPECT_LT(bimodality_error(view(same), view(real), view(control)), .25);
  EXPECT_GT(bimodality_error(view(middle), view(real), view(control)), .6);
  // One kind in truth: cells of two kinds are wrong.
  const auto one = two_kinds(9, 400, 1, 2.5);
  EXPECT_GT(bimodality_error(view(same), view(one), view(control)), .6);
  EXPECT_LT(bimodality_error(view(middle), view(one), view(control)), .1);
}

TEST(Responders, GeneratedCellsHelpOnlyWhereTheyAreLikeRealOnes) {
  // Many axes, so that ten cells know little of the change.
  constexpr std::size_t width = 30;
  auto cells = [](std::uint64_t seed, std::size_t count, double sign) {
    std::vector<float> x(count * width);
    for (std::size_t i = 0; i < count; ++i) {
      normal_row(seed, 1, i, x.data() + i * width, width);
      for (std::size_t k = 0; k < width; ++k) x[i * width + k] += static_cast<float>(.25 * sign);
    }
    return x;
  };
  auto view_of = [](const std::vector<float>& x) { return matrix(x.data(), x.size() / width, width); };
  const auto real = cells(1, 200, 1), control = cells(2, 200, 0), good = cells(3, 400, 1), wrong = cells(4, 400, -1);
  EXPECT_GT(augmentation_gain(view_of(good), view_of(real), view_of(control)), .05);
  EXPECT_LT(augmentation_gain(view_of(wrong), view_of(real), view_of(control)), -.3);
  const auto few = cells(5, 15, 1);
  EXPECT_TRUE(std::isnan(augmentation_gain(view_of(good), view_of(few), view_of(control))));
}

}  // namespace
}  // namespace perturbine

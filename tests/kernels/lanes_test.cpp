// The functions of a register of numbers against double precision, over all of a power of two and at its edges.
#include "kernels/core/lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <vector>

namespace perturbine {
namespace {

using Function = Lanes (*)(Lanes);

// The largest error of `function` at `x`, relative to `scale(truth)`.
double largest_error(const std::vector<float>& x, Function function, double (*truth)(double),
                     const std::function<double(double)>& scale) {
  double largest = 0;
  std::vector<float> y(x.size());
  lanes::for_columns(0, x.size(), [&](std::size_t j, auto count) {
    lanes::store(y.data() + j, function(lanes::load(x.data() + j, count)), count);
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double t = truth(static_cast<double>(x[i]));
    largest = std::max(largest, std::abs(static_cast<double>(y[i]) - t) / scale(t));
  }
  return largest;
}

double relative(double truth) { return std::abs(truth) + 1e-300; }

// Every third number from 1/2 to 2, where logarithms are small, and some of every other size.
std::vector<float> positive() {
  std::vector<float> x;
  for (auto bits = std::bit_cast<std::uint32_t>(0.5f); bits < std::bit_cast<std::uint32_t>(2.0f); bits += 3)
    x.push_back(std::bit_cast<float>(bits));
  for (int exponent = -126; exponent < 127; ++exponent)
    for (const float m : {1.0f, 1.2f, 1.4999999f, 1.5f, 1.7f, 1.9999999f}) x.push_back(std::ldexp(m, exponent));
  return x;
}
std::vector<float> between(float first, float last, float step) {
  std::vector<float> x;
  for (float v = first; v <= last; v += step) x.push_back(v);
  return x;
}

TEST(Lanes, LogarithmsAndReciprocals) {
  const std::vector<float> x = positive();
  EXPECT_LT(largest_error(x, lanes::log, std::log, relative), 2e-7);
  EXPECT_LT(largest_error(
                x, lanes::reciprocal, [](double v) { return 1 / v; }, relative),
            2e-7);
  EXPECT_LT(largest_error(x, lanes::square_root, std::sqrt, [](double t) { return t < 4e-19 ? 1 : t; }), 2e-7);
  EXPECT_LT(lanes::square_root(Lanes{})[0], 4e-19f);
}
TEST(Lanes, LogarithmsNearOne) {
  std::vector<float> x = between(-.9f, 40, 1e-3f);
  for (float v = 1e-30f; v < 1; v *= 1.7f) x.push_back(v);
  EXPECT_LT(largest_error(x, lanes::log1p, std::log1p, relative), 4e-7);
}
TEST(Lanes, Exponentials) {
  const std::vector<float> x = between(-87, 88, 1e-3f);
  EXPECT_LT(largest_error(x, lanes::exp, std::exp, relative), 2e-7);
  auto minus_absolute = [](double v) { return std::exp(-std::abs(v)); };
  EXPECT_LT(largest_error(between(-87, 87, 1e-3f), lanes::exp_of_minus_absolute, minus_absolute, relative), 2e-7);
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  EXPECT_LT(largest_error(x, lanes::sigmoid, sigmoid, relative), 4e-7);
  auto silu = [](double v) { return v / (1 + std::exp(-v)); };
  EXPECT_LT(largest_error(x, lanes::silu, silu, relative), 5e-7);
  auto slope = [](double v) {
    const double s = 1 / (1 + std::exp(-v));
    return s * (1 + v * (1 - s));
  };
  // 1 - s has lost digits where x is large.
  EXPECT_LT(largest_error(x, lanes::silu_slope, slope, [](double) { return 1; }), 2e-6);
}
TEST(Lanes, Gelu) {
  const std::vector<float> x = between(-12, 12, 1e-3f);
  auto gelu = [](double v) { return v / (1 + std::exp(-2 * .7978845608 * (v + .044715 * v * v * v))); };
  auto slope = [](double v) {
    const double s = 1 / (1 + std::exp(-2 * .7978845608 * (v + .044715 * v * v * v)));
    return s + 2 * v * s * (1 - s) * .7978845608 * (1 + .134145 * v * v);
  };
  auto absolute = [](double) { return 1; };
  EXPECT_LT(largest_error(x, lanes::gelu, gelu, absolute), 2e-6);
  EXPECT_LT(largest_error(x, lanes::gelu_slope, slope, absolute), 4e-6);
}
TEST(Lanes, RoundedToBfloat16) {
  std::vector<float> x = positive();
  for (std::size_t i = 0; i < x.size(); i += 2) x[i] = -x[i];
  for (const float special : {0.0f, INFINITY, -INFINITY, 3.4e38f}) x.push_back(special);
  lanes::for_columns(0, x.size(), [&](std::size_t j, auto count) {
    const Lanes rounded = lanes::rounded(lanes::load(x.data() + j, count));
    for (std::size_t k = 0; k < count; ++k) ASSERT_EQ(rounded[k], static_cast<float>(bfloat16(x[j + k])));
  });
  EXPECT_TRUE(std::isnan(lanes::rounded(lanes::all(NAN))[0]));
}
TEST(Lanes, ExponentialsSaturate) {
  for (const float x : {-INFINITY, -1e30f, 1000.0f, INFINITY})
    EXPECT_LT(lanes::exp_of_minus_absolute(lanes::all(x))[0], 1.3e-38f);
  for (const float x : {-1e30f, -1000.0f, -88.0f}) {
    EXPECT_GT(lanes::exp(lanes::all(x))[0], 0.0f);
    EXPECT_LT(lanes::exp(lanes::all(x))[0], 1.3e-38f);
  }
  for (const float x : {89.0f, 1000.0f, 1e30f}) EXPECT_NEAR(lanes::exp(lanes::all(x))[0], 2.2e38f, .2e38f);
}
TEST(Lanes, ChosenBySign) {
  const Lanes a = lanes::all(1), b = lanes::all(2);
  std::vector<float> x(lanes::count, 3);
  for (std::size_t k = 0; k < lanes::count; k += 2) x[k] = k % 4 == 0 ? -0.5f : -INFINITY;
  const Lanes chosen = lanes::where_negative(lanes::load(x.data()), a, b);
  for (std::size_t k = 0; k < lanes::count; ++k) EXPECT_EQ(chosen[k], k % 2 == 0 ? 1 : 2);
}
TEST(Lanes, ChosenByBits) {
  std::vector<std::uint32_t> bits(lanes::count, ~0u);
  for (std::size_t k = 0; k < lanes::count; k += 3) bits[k] = 0;
  for (const float x : {-2.5f, INFINITY, NAN})
    for (std::size_t n = 0; n <= lanes::count; ++n) {
      const Lanes kept = lanes::kept(lanes::all(x), lanes::load(bits.data(), n));
      for (std::size_t k = 0; k < lanes::count; ++k) {
        const float expected = k < n && k % 3 != 0 ? x : 0.0f;
        EXPECT_TRUE(kept[k] == expected || (std::isnan(kept[k]) && std::isnan(expected))) << x << ' ' << n << ' ' << k;
      }
    }
}
// A sum of small whole numbers is exact in any order.
TEST(Lanes, SumsAndParts) {
  std::vector<float> x(4 * lanes::count);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 23);
  for (std::size_t n = 0; n <= lanes::count; ++n) {
    float sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += x[k + 3];
    EXPECT_EQ(lanes::sum(lanes::load(x.data() + 3, n)), sum);
  }
  std::vector<std::int32_t> index(lanes::count);
  for (std::size_t k = 0; k < lanes::count; ++k) index[k] = static_cast<std::int32_t>(k * 7 % x.size());
  const Lanes gathered = lanes::gather(x.data(), lanes::load(index.data()));
  for (std::size_t k = 0; k < lanes::count; ++k) EXPECT_EQ(gathered[k], x[static_cast<std::size_t>(index[k])]);
  float most = gathered[0];
  for (std::size_t k = 0; k < lanes::count; ++k) most = std::max(most, gathered[k]);
  EXPECT_EQ(lanes::largest(gathered), most);
}
TEST(Lanes, Scattered) {
  std::vector<std::int32_t> index(lanes::count);
  for (std::size_t k = 0; k < lanes::count; ++k) index[k] = static_cast<std::int32_t>(2 * (lanes::count - 1 - k));
  Lanes x{};
  for (std::size_t k = 0; k < lanes::count; ++k) x[k] = static_cast<float>(k + 1);
  for (std::size_t n = 0; n <= lanes::count; ++n) {
    std::vector<float> y(2 * lanes::count, -1), expected = y;
    lanes::scatter(y.data(), lanes::load(index.data()), x, n);
    for (std::size_t k = 0; k < n; ++k) expected[static_cast<std::size_t>(index[k])] = x[k];
    EXPECT_EQ(y, expected) << n;
  }
}
TEST(Lanes, PackedSideBySide) {
  Lanes x{};
  for (std::size_t k = 0; k < lanes::count; ++k) x[k] = static_cast<float>(k + 1);
  for (std::uint32_t chosen = 0; chosen < 1u << 4; ++chosen) {
    lanes::Bits bits{};
    std::vector<float> expected, y(lanes::count);
    for (std::size_t k = 0; k < lanes::count; ++k)
      if (chosen >> k * 3 % 4 & 1u) bits[k] = ~0u, expected.push_back(x[k]);
    y.resize(lanes::pack(y.data(), x, bits));
    EXPECT_EQ(y, expected) << chosen;
  }
  for (std::size_t n = 0; n <= lanes::count; ++n)
    EXPECT_EQ(lanes::sum(lanes::kept(lanes::all(1), lanes::first(n))), static_cast<float>(n));
}

}  // namespace
}  // namespace perturbine

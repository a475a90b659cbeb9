// Sinkhorn where floats run out: costs far above epsilon, potentials that must travel far, points nobody wants.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/core/queue.h"
#include "kernels/transport/sinkhorn.h"
#include "tests/reference/reference.h"

namespace perturbine {
namespace {

struct Problem {
  std::string name;
  std::size_t n, m;
  double damping = 1;
  std::size_t iterations = 40;
  double (*cost)(std::size_t i, std::size_t j, double u);  // u: uniform, of the pair
};

class Sinkhorns : public ::testing::TestWithParam<Problem> {};

template <class T>
struct Operands {
  std::vector<T> cost, row, column, f, g;
  explicit Operands(const Problem& p)
      : cost(p.n * p.m),
        row(p.n, static_cast<T>(-std::log(static_cast<double>(p.n)))),
        column(p.m, static_cast<T>(-std::log(static_cast<double>(p.m)))),
        f(p.n),
        g(p.m) {
    for (std::size_t i = 0; i < p.n; ++i)
      for (std::size_t j = 0; j < p.m; ++j) {
        const float u = uniform(philox(5, i, j).word[0]);
        cost[i * p.m + j] = static_cast<T>(static_cast<float>(p.cost(i, j, static_cast<double>(u))));
      }
  }
  Sinkhorn<T> op(const Problem& p) {
    return {
        {cost.data(), p.n, p.m, p.m}, {row.data(), p.n}, {column.data(), p.m}, {f.data(), p.n}, {g.data(), p.m}, T(1),
        static_cast<T>(p.damping),    p.iterations};
  }
};

TEST_P(Sinkhorns, AgreeWithTheOracleAndWithThemselvesOnAnyThreads) {
  const Problem& p = GetParam();
  Operands<double> expected(p);
  reference::execute(expected.op(p));
  std::vector<float> first;
  for (const int threads : {1, 3}) {
    Operands<float> got(p);
    Queue queue(Device::cpu, {.threads = threads});
    queue.run(got.op(p));
    double largest = 1;
    for (const double c : expected.cost) largest = std::max(largest, c);
    for (std::size_t i = 0; i < p.n; ++i)
      ASSERT_NEAR(static_cast<double>(got.f[i]), expected.f[i], 2e-5 + 2e-6 * largest) << "f of " << i;
    for (std::size_t j = 0; j < p.m; ++j)
      ASSERT_NEAR(static_cast<double>(got.g[j]), expected.g[j], 2e-5 + 2e-6 * largest) << "g of " << j;
    if (first.empty()) first = got.f;
    EXPECT_EQ(first, got.f) << "other bits on " << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Sinkhorns,
    ::testing::Values(
        Problem{"Near", 100, 70, 1, 40, [](std::size_t, std::size_t, double u) { return 5 * u; }},
        // Larger than what is walked by one thread.
        Problem{"Large", 600, 530, 1, 6, [](std::size_t, std::size_t, double u) { return 20 * u; }},
        // exp(-cost) is nothing a float can hold, of any pair.
        Problem{"AllFar", 60, 60, 1, 40, [](std::size_t, std::size_t, double u) { return 300 + 40 * u; }},
        // Three of four rows are near to half of the columns: their masses must travel, and potentials with them.
        Problem{"Uneven", 80, 80, 1, 40,
                [](std::size_t i, std::size_t j, double u) {
                  return (i < 60 ? 0 : 60) + (j < 40 ? 0 : 60) * (i < 60 ? 1 : -1) + 60 + u;
                }},
        Problem{"UnevenFar", 80, 80, 1, 60,
                [](std::size_t i, std::size_t j, double u) { return ((i < 60) == (j < 40) ? 0 : 400) + 3 * u; }},
        // A row and a column that are far from everything, kept and left out.
        Problem{
            "Outlier", 50, 60, 1, 40,
            [](std::size_t i, std::size_t j, double u) { return (i == 7 ? 500 : 0) + (j == 11 ? 700 : 0) + 4 * u; }},
        Problem{
            "OutlierLeftOut", 50, 60, .5, 40,
            [](std::size_t i, std::size_t j, double u) { return (i == 7 ? 500 : 0) + (j == 11 ? 700 : 0) + 4 * u; }},
        Problem{"AllFarUnbalanced", 60, 60, .9, 40, [](std::size_t, std::size_t, double u) { return 300 + 40 * u; }},
        Problem{"OnePair", 1, 1, 1, 3, [](std::size_t, std::size_t, double u) { return u; }}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace perturbine

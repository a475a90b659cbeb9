// Differential expression against values worked out by hand, and metrics of it on cells whose changes are known.
#include "evaluation/differential_expression.h"

#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/distribution_metrics.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

TEST(DifferentialExpression, AdjustedValuesByHand) {
  // Rising: .01 * 4 / 1, .02 * 4 / 2, .03 * 4 / 3, .9; each no larger than the ones behind it.
  const auto q = benjamini_hochberg({.03, .01, .9, .02});
  EXPECT_DOUBLE_EQ(q[0], .04);
  EXPECT_DOUBLE_EQ(q[1], .04);
  EXPECT_DOUBLE_EQ(q[2], .9);
  EXPECT_DOUBLE_EQ(q[3], .04);
}

TEST(DifferentialExpression, AveragePrecisionByHand) {
  // Places 1 and 3 of four are true: (1 + 2 / 3) / 2.
  EXPECT_DOUBLE_EQ(average_precision({9, 8, 7, 1}, {true, false, true, false}), (1 + 2. / 3) / 2);
  // A tie of one true and one false shares the precision behind both.
  EXPECT_DOUBLE_EQ(average_precision({5, 5, 1}, {true, false, false}), .5);
  EXPECT_DOUBLE_EQ(average_precision({5, 4}, {false, false}), 0);
}

TEST(DifferentialExpression, ScoresByHand) {
  // {1, 2, 2} against {0, 2}: pairs 1>0, 2>0, 2>0 and two ties: u = 4 of 6, mean 3. One group of three 2s:
  // sum t^3 - t = 24, variance 6 / 12 (6 - 24 / 20) = 2.4.
  Queue queue(Device::cpu, {.threads = 1});
  const float a[] = {1, 2, 2}, b[] = {0, 2};
  const auto d = differential_expression(queue, matrix(a, 1, 3), matrix(b, 1, 2));
  EXPECT_NEAR(d.score[0], 1 / std::sqrt(2.4), 1e-6);
  EXPECT_NEAR(d.adjusted[0], std::erfc(1 / std::sqrt(4.8)), 1e-6);
}

// 30 genes; `up` of the first are raised, `down` of the next lowered.
std::vector<float> cells(std::size_t n, std::uint64_t seed, std::size_t up, std::size_t down) {
  std::vector<float> x;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t g = 0; g < 30; ++g) {
      float z[4];
      normal4(seed, i, g, z);
      const float shift = g < up ? .8f : g < up + down ? -.8f : 0.0f;
      x.push_back(std::max(0.0f, 2 + shift + .5f * z[0]));
    }
  return x;
}

TEST(DifferentialExpression, MetricsFindWhatChanged) {
  Queue queue(Device::cpu, {.threads = 2});
  HeldOut t;
  t.genes = 30, t.real = cells(150, 1, 5, 5), t.real_cells = 150;
  t.control = cells(200, 2, 0, 0), t.control_cells = 200;
  set_moments(t, t.real);
  HeldOut control;
  control.genes = 30;
  set_moments(control, t.control);
  auto score = [&](const std::vector<float>& generated, bool with_cells) {
    HeldOut g;
    g.genes = 30;
    set_moments(g, generated);
    std::vector<MetricValue> out;
    add_differential_metrics(
        queue, t, {g.real_mean, with_cells ? generated : std::vector<float>{}, with_cells ? generated.size() / 30 : 0},
        control.real_mean, out);
    return out;
  };
  const auto good = score(cells(400, 3, 5, 5), true);
  EXPECT_EQ(good[0].metric, "de_overlap");
  for (const MetricValue& m : good) EXPECT_GT(m.value, .9) << m.metric;
  // Half of the truth, and half of it the wrong way round.
  const auto half = score(cells(400, 4, 10, 0), true);
  EXPECT_NEAR(half[1].value, .5, .1);  // de_direction
  EXPECT_GT(half[2].value, .9);        // de_recall does not see directions
  const auto nothing = score(cells(400, 5, 0, 0), true);
  EXPECT_LT(nothing[2].value, .2);
  const auto means = score(cells(400, 3, 5, 5), false);
  EXPECT_EQ(means[0].status, "ok");
  EXPECT_EQ(means[2].status, "not-applicable");
  // Nothing truly changed: nothing to find.
  t.real = cells(150, 6, 0, 0);
  set_moments(t, t.real);
  for (const MetricValue& m : score(cells(400, 3, 5, 5), true)) EXPECT_EQ(m.status, "not-applicable") << m.metric;
}

}  // namespace
}  // namespace perturbine

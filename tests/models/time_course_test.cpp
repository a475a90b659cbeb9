// Time courses: what a time means, cells between times, and cells followed over them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/backbone.h"
#include "models/baselines.h"
#include "models/flow.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::test_device;

// Control at time 0, B at 1, A at 3. Two lineages of 30 cells each: the first has counts in genes 0-4 only, the second
// in genes 5-9 only, and both grow over time.
TrainingData course() {
  TrainingData d;
  d.genes = 10;
  d.contexts = {""};
  for (const char* label : {"control", "A", "B"}) d.conditions.push_back(parse_condition(label));
  d.times = {0, 3, 1};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 60; ++i) {
      d.condition.push_back(static_cast<std::int32_t>(c));
      d.context.push_back(0);
      d.library_size.push_back(4000 + 10.0 * static_cast<double>(i));
      for (std::size_t g = 0; g < 10; ++g) {
        const bool on = (g < 5) == (i % 2 == 0);
        const double count = on ? std::round(6 + 4 * d.times[c] + static_cast<double>((i * 7 + g * 3) % 5)) : 0;
        d.expression.push_back(static_cast<float>(std::log1p(10000 * count / d.library_size.back())));
      }
    }
  return d;
}

std::string complaint(const std::function<void()>& f) {
  try {
    f();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST(TimeCourse, ATimeIsItsConditionOrItsNeighboursByNearness) {
  const TrainingData d = course();
  EXPECT_EQ(canonical_label(query_at(d, 3, 0).condition), "A");
  EXPECT_EQ(canonical_label(query_at(d, 7, 0).condition), "A");
  EXPECT_TRUE(query_at(d, -1, 0).condition.is_control());
  EXPECT_FALSE(query_at(d, 1, 0).between);
  const Query q = query_at(d, 1.5, 0);
  EXPECT_EQ(canonical_label(q.condition), "A:0.25+B:0.75");
  EXPECT_EQ(q.between->earlier, 2u);
  EXPECT_EQ(q.between->later, 1u);
  EXPECT_DOUBLE_EQ(q.between->share, .25);
  EXPECT_EQ(canonical_label(query_at(d, .5, 0).condition), "B:0.5");
  EXPECT_NE(complaint([] { query_at(testing_models::toy(), 1, 0); }).find("no time course"), std::string::npos);
}

TEST(TimeCourse, CellsBetweenKeepTheirLineageAndFollowTheSameCounts) {
  Queue queue(test_device(), {.threads = 2});
  TrainingData d = course();
  Flow flow;
  flow.prepare(queue, d, quick());
  const auto at = flow.trajectory(queue, 0, {0, .25, .75, 1, 2, 3}, 80, 5);
  ASSERT_EQ(at.size(), 6u);
  for (std::size_t i = 0; i < 80; ++i) {
    auto counts = [&](std::size_t t, std::size_t g) { return at[t].counts[i * 10 + g]; };
    const bool first = counts(0, 0) > 0;
    for (std::size_t t = 0; t < 6; ++t)
      for (std::size_t g = 0; g < 10; ++g)
        EXPECT_EQ(counts(t, g) > 0, (g < 5) == first) << "cell " << i << " left its lineage at time " << t;
    // The observed times are observed cells.
    for (const auto& [t, condition] : {std::pair{0u, 0}, std::pair{3u, 2}, std::pair{5u, 1}}) {
      bool found = false;
      for (std::size_t cell = 0; cell < d.cells() && !found; ++cell)
        found =
            d.condition[cell] == condition && d.library_size[cell] == at[t].library_size[i] &&
            std::equal(d.row(cell), d.row(cell) + 10, at[t].expression.begin() + static_cast<std::ptrdiff_t>(i * 10),
                       [](float a, float b) { return std::abs(a - b) < 1e-5f; });
      EXPECT_TRUE(found) << "cell " << i << " at observed time number " << t;
    }
    // A quarter of the way the library size is, too.
    EXPECT_NEAR(at[1].library_size[i], .75 * at[0].library_size[i] + .25 * at[3].library_size[i], 1e-9);
    EXPECT_NEAR(at[2].library_size[i], .25 * at[0].library_size[i] + .75 * at[3].library_size[i], 1e-9);
  }
  EXPECT_EQ(flow.trajectory(queue, 0, {.25}, 80, 5)[0].counts, at[1].counts);
  EXPECT_NE(flow.trajectory(queue, 0, {.25}, 80, 6)[0].counts, at[1].counts);
  EXPECT_NE(complaint([&] { flow.trajectory(queue, 0, {0, 4}, 5, 1); }).find("outside"), std::string::npos);
  EXPECT_NE(complaint([&] { flow.trajectory(queue, 0, {1, 1}, 5, 1); }).find("must rise"), std::string::npos);
}

TEST(TimeCourse, TheMeanIsThatOfTheCellsAndFitsALinearCourse) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = course();
  Flow flow;
  flow.prepare(queue, d, quick());
  const Query q = query_at(d, 2, 0);
  const auto mean = flow.predict_mean(queue, q);
  const GeneratedCells cells = flow.sample(queue, q, 4000, 3);
  // Counts grow linearly in time, so that at time 2 they are 6 + 4 * 2 + 2 on average, in half of the cells.
  for (std::size_t g = 0; g < 10; ++g) {
    double sampled = 0, expected = 0;
    for (std::size_t i = 0; i < 4000; ++i) sampled += static_cast<double>(cells.expression[i * 10 + g]) / 4000;
    for (std::size_t i = 0; i < 60; ++i)
      if ((g < 5) == (i % 2 == 0)) expected += std::log1p(10000 * 16 / (4000 + 10.0 * static_cast<double>(i))) / 60;
    EXPECT_NEAR(mean[g], sampled, .02);
    EXPECT_NEAR(mean[g], expected, .03);
  }
  bool said = false;
  for (const std::string& line : flow.report()) said = said || line.starts_with("between times: displacement");
  EXPECT_TRUE(said) << "displacement fits this course and must be chosen";
}

TEST(TimeCourse, AMixtureIsChosenWhereTheMiddleIsOne) {
  Queue queue(test_device(), {.threads = 2});
  TrainingData d = course();
  // Time 1 becomes a mixture: two thirds of its cells are like time 0's, the others like time 3's.
  for (std::size_t i = 0; i < 60; ++i) {
    const std::size_t from = (i % 6 < 4 ? 0 : 60) + i;
    std::copy_n(d.expression.data() + from * 10, 10, d.expression.edit().data() + (120 + i) * 10);
  }
  Backbone backbone;
  backbone.fit(queue, d, quick(), {});
  bool said = false;
  for (const std::string& line : backbone.report()) said = said || line.starts_with("between times: mixture");
  EXPECT_TRUE(said);
  const auto mixture = make_baseline("time-mixture");
  mixture->fit(queue, d, quick(), {});
  const Query q = query_at(d, 2, 0);
  const auto a = backbone.predict_mean(queue, q), b = mixture->predict_mean(queue, q);
  for (std::size_t g = 0; g < 10; ++g) EXPECT_NEAR(a[g], b[g], 1e-12);
  // The flow's cells are then the mixture's.
  Flow flow;
  flow.prepare(queue, d, quick());
  EXPECT_EQ(flow.sample(queue, q, 50, 2).expression, mixture->sample(queue, q, 50, 2).expression);
  // Half of the cells of each time, as they are.
  d = course();
  mixture->fit(queue, d, quick(), {});
  const GeneratedCells cells = mixture->sample(queue, q, 100, 1);
  std::size_t late = 0;
  for (std::size_t i = 0; i < 100; ++i)
    for (std::size_t cell = 60; cell < 120; ++cell)
      if (std::equal(d.row(cell), d.row(cell) + 10, cells.expression.begin() + static_cast<std::ptrdiff_t>(i * 10))) {
        ++late;
        break;
      }
  EXPECT_EQ(late, 50u);
}

}  // namespace
}  // namespace perturbine

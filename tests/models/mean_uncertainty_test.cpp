// Stated errors of means: whether intervals hold, and whether they widen where less is known.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"
#include "models/mean_uncertainty.h"

namespace perturbine {
namespace {

// Genes whose change is the sum of parts' effects and an interaction half as large; cells with unit noise. Parts P0 ...
// P9 are seen alone unless a condition says otherwise. `seed` makes another world.
struct World {
  static constexpr std::size_t genes = 40;
  std::uint64_t seed;
  double effect(std::size_t part, std::size_t gene) const {
    float z[4];
    normal4(seed, part, gene, z);
    return static_cast<double>(z[0]);
  }
  double change(std::size_t a, std::size_t b, std::size_t gene) const {
    float z[4];
    normal4(seed + 1000, a * 100 + b, gene, z);
    return effect(a, gene) + effect(b, gene) + .5 * static_cast<double>(z[0]);
  }
  TrainingData data(const std::vector<std::pair<std::size_t, std::size_t>>& doubles, std::size_t cells) const {
    TrainingData d;
    d.genes = genes, d.contexts = {""};
    auto add = [&](const std::string& label, auto&& mean) {
      d.conditions.push_back(parse_condition(label));
      for (std::size_t i = 0; i < cells; ++i) {
        d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1);
        d.context.push_back(0);
        d.library_size.push_back(10000);
        for (std::size_t g = 0; g < genes; ++g) {
          float z[4];
          normal4(seed + 2000, d.conditions.size() * 1000 + i, g, z);
          d.expression.push_back(static_cast<float>(20 + mean(g) + static_cast<double>(z[0])));
        }
      }
    };
    add("control", [](std::size_t) { return 0.0; });
    for (std::size_t p = 0; p < 10; ++p) add("P" + std::to_string(p), [&](std::size_t g) { return effect(p, g); });
    for (const auto& pair : doubles)
      add("P" + std::to_string(pair.first) + "+P" + std::to_string(pair.second),
          [&](std::size_t g) { return change(pair.first, pair.second, g); });
    return d;
  }
};

TEST(MeanUncertainty, IntervalsHoldAndNormsAreRightOnUnseenDoubles) {
  double inside = 0, stated = 0, real = 0, pairs = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const World world{seed * 77};
    const TrainingData d =
        world.data({{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 9}}, 50);
    const ClosedFormMean means(d, {});
    const MeanUncertainty uncertainty(d, means);
    for (const auto& [a, b] : {std::pair{0u, 3u}, std::pair{1u, 5u}, std::pair{2u, 8u}, std::pair{6u, 9u}}) {
      const Query q{parse_condition("P" + std::to_string(a) + "+P" + std::to_string(b)), 0};
      const auto mean = means.mean(q);
      const MeanStatement s = uncertainty.state(q, means, 0);
      ASSERT_EQ(s.half_width.size(), World::genes);
      double square = 0;
      for (std::size_t g = 0; g < World::genes; ++g) {
        const double error = mean[g] - 20 - world.change(a, b, g);
        inside += std::abs(error) <= s.half_width[g] ? 1 : 0;
        square += error * error;
        pairs += 1;
      }
      stated += s.error * s.error, real += square;
    }
  }
  EXPECT_NEAR(inside / pairs, .9, .06);
  EXPECT_NEAR(std::sqrt(stated / real), 1, .25);
}

TEST(MeanUncertainty, WidensWithWhatIsUnknownAndWithFewerCells) {
  const World world{5};
  const TrainingData d = world.data({{0, 1}, {2, 3}, {4, 5}, {6, 7}}, 50);
  const ClosedFormMean means(d, {});
  const MeanUncertainty uncertainty(d, means);
  auto state = [&](const char* label, std::size_t cells) {
    return uncertainty.state({parse_condition(label), 0}, means, cells);
  };
  const double seen = state("P0+P2", 0).error;
  EXPECT_GT(state("P0+new", 0).error, 1.3 * seen);
  EXPECT_GT(state("new+newer", 0).error, state("P0+new", 0).error);
  EXPECT_GT(state("P0+P2", 10).half_width[0], state("P0+P2", 100).half_width[0]);
  EXPECT_GT(state("P0+P2", 100).half_width[0], state("P0+P2", 0).half_width[0]);
  EXPECT_LT(state("P0:0.5+P2:0.5", 0).error, seen);
  EXPECT_TRUE(state("P0+P1", 0).half_width.empty()) << "a seen condition is known by its own cells";
  // Two conditions are too few to learn from.
  TrainingData few = world.data({}, 5);
  few.conditions.resize(3);
  few.condition.resize(15), few.context.resize(15), few.library_size.resize(15);
  few.expression.edit().resize(15 * World::genes);
  const ClosedFormMean poor(few, {});
  EXPECT_TRUE(MeanUncertainty(few, poor).state({parse_condition("P7"), 0}, poor, 0).half_width.empty());
}

}  // namespace
}  // namespace perturbine

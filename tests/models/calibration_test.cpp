// Choices on held-out cells of training conditions.
#include "models/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

TEST(Excess, IsTheMeanDifferenceLessItsStandardError) {
  // Differences 1, 2, 3: mean 2, standard error 1 / sqrt 3.
  EXPECT_NEAR(excess_beyond_error({2, 4, 6}, {1, 2, 3}), 2 - 1 / std::sqrt(3.), 1e-12);
  EXPECT_EQ(excess_beyond_error({5, 7}, {5, 7}), 0);
  EXPECT_EQ(excess_beyond_error({3}, {1}), 2);  // one says nothing of its error
}

// Cells of one condition whose counts are Poisson about rates that a few factors move: most of what they vary by is
// counting noise.
TrainingData counted(std::size_t cells, double depth) {
  constexpr std::size_t genes = 60;
  TrainingData d;
  d.genes = genes, d.contexts = {""}, d.conditions = {parse_condition("control"), parse_condition("A")};
  for (std::size_t i = 0; i < cells; ++i) {
    d.condition.push_back(static_cast<std::int32_t>(i % 2));
    d.context.push_back(0);
    d.library_size.push_back(10000 * depth);
    float factor[4];
    normal4(3, 1, i, factor);
    for (std::size_t g = 0; g < genes; ++g) {
      const double rate = depth * std::exp(.5 * static_cast<double>(factor[g % 4]) * (g % 3 == 0 ? 1 : -1));
      double count = 0, p = std::exp(-rate), u = static_cast<double>(uniform(philox(5, g, i).word[0])) - p;
      for (double k = 1; u > 0; ++k) {
        p *= rate / k, u -= p;
        ++count;
      }
      d.expression.push_back(static_cast<float>(std::log1p(count / depth)));
    }
  }
  return d;
}

TEST(TechnicalShrinkage, TakesOutTheNoiseThatCountingAddsAgain) {
  Queue queue(Device::cpu, {.threads = 2});
  const TrainingData d = counted(400, 1);
  std::vector<float> residuals;
  const LatentSpace space = fit_latent_space(d, 10, residuals);
  for (const DecodedResiduals decoded : {DecodedResiduals::gaussian, DecodedResiduals::cells}) {
    const ShrinkageChoice c =
        choose_technical_shrinkage(queue, d, space, ContextFrames(space.residual_variance), residuals, decoded, 1);
    ASSERT_EQ(c.scores.size(), 5u);
    EXPECT_GE(c.chosen, .75);
    EXPECT_LT(c.scores[4].second, c.scores[0].second) << "noise counted twice";
  }
}

TEST(TechnicalShrinkage, IsWholeWhereNothingCanBeJudged) {
  Queue queue(Device::cpu, {.threads = 1});
  const TrainingData d = counted(20, 1);  // ten cells a condition
  std::vector<float> residuals;
  const LatentSpace space = fit_latent_space(d, 5, residuals);
  EXPECT_EQ(choose_technical_shrinkage(queue, d, space, ContextFrames(space.residual_variance), residuals,
                                       DecodedResiduals::cells, 1)
                .chosen,
            1);
}

}  // namespace
}  // namespace perturbine

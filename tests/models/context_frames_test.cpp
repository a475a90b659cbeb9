// A frame for each context, in which its cells vary as those of every other.
#include "models/context_frames.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/diffusion.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {
using namespace testing_models;

constexpr std::size_t width = 3;

// Residuals of `cells` control cells in each of two contexts: independent with variances 4, 1, .25 in the first; in the
// second the same times a matrix that stretches and turns.
TrainingData gaussians(std::size_t cells, std::vector<float>& residuals) {
  TrainingData d;
  d.genes = 1, d.contexts = {"T", "B"}, d.conditions = {parse_condition("control")};
  for (std::size_t i = 0; i < 2 * cells; ++i) {
    d.condition.push_back(0);
    d.context.push_back(static_cast<std::int32_t>(i / cells));
    d.library_size.push_back(1000);
    d.expression.push_back(0);
    float z[4];
    normal4(7, 1, i, z);
    const float a = 2 * z[0], b = z[1], c = .5f * z[2];
    if (i < cells)
      residuals.insert(residuals.end(), {a, b, c});
    else
      residuals.insert(residuals.end(), {2 * a + b, -b + .5f * c, .7f * c});
  }
  return d;
}

std::vector<double> mean_variance(const TrainingData& d, const std::vector<float>& residuals) {
  std::vector<double> v(width, 0);
  for (std::size_t i = 0; i < residuals.size(); ++i)
    v[i % width] += std::pow(static_cast<double>(residuals[i]), 2) / static_cast<double>(d.cells());
  return v;
}

TEST(ContextFrames, EveryContextVariesAsTheCommonVariancesInItsFrame) {
  std::vector<float> residuals;
  const TrainingData d = gaussians(4000, residuals);
  const std::vector<double> variance = mean_variance(d, residuals);
  const ContextFrames frames(d, residuals, variance);
  ASSERT_TRUE(frames.exists(0) && frames.exists(1));
  std::vector<float> framed = residuals;
  frames.enter_each(d.context, framed);
  for (std::size_t context = 0; context < 2; ++context)
    for (std::size_t a = 0; a < width; ++a)
      for (std::size_t b = 0; b < width; ++b) {
        double covariance = 0;
        for (std::size_t i = context * 4000; i < (context + 1) * 4000; ++i)
          covariance += static_cast<double>(framed[i * width + a]) * static_cast<double>(framed[i * width + b]) / 4000;
        const double scale = std::sqrt(variance[a] * variance[b]);
        EXPECT_NEAR(covariance / scale, a == b ? 1 : 0, .05) << context << a << b;
      }
  for (std::size_t k = 0; k < width; ++k) EXPECT_NEAR(frames.variance()[k] / variance[k], 1, .05);
  std::vector<float> back(framed.begin() + 3 * 4000, framed.end());
  frames.leave(1, back);
  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_NEAR(back[i], residuals[3 * 4000 + i], 1e-4);
}

TEST(ContextFrames, TheVolumeIsTheDeterminantOfTheMap) {
  std::vector<float> residuals;
  const TrainingData d = gaussians(500, residuals);
  const ContextFrames frames(d, residuals, mean_variance(d, residuals));
  for (std::size_t context = 0; context < 2; ++context) {
    std::vector<float> t{1, 0, 0, 0, 1, 0, 0, 0, 1};  // its columns, one after another
    frames.enter(context, t);
    const double determinant = static_cast<double>(
        t[0] * (t[4] * t[8] - t[5] * t[7]) - t[1] * (t[3] * t[8] - t[5] * t[6]) + t[2] * (t[3] * t[7] - t[4] * t[6]));
    EXPECT_NEAR(frames.log_volume(context), std::log(determinant), 1e-4);
  }
  EXPECT_EQ(frames.log_volume(2), 0) << "a context that is not there";
}

TEST(ContextFrames, TooFewCellsKeepTheCoordinates) {
  std::vector<float> residuals;
  const TrainingData d = gaussians(10, residuals);
  const ContextFrames frames(d, residuals, {4, 1, .25});
  EXPECT_FALSE(frames.exists(0));
  EXPECT_FALSE(frames.exists(1));
  EXPECT_EQ(frames.report(), "");
  EXPECT_EQ(frames.variance(), (std::vector<double>{4, 1, .25}));
  std::vector<float> same = residuals;
  frames.enter_each(d.context, same);
  EXPECT_EQ(same, residuals);
}

TEST(ContextFrames, PerturbedCellsDoNotSwayThem) {
  // Ten times as wide where they are perturbed: in the frame they still are.
  std::vector<float> residuals;
  TrainingData d = gaussians(1000, residuals);
  d.conditions.push_back(parse_condition("A"));
  for (std::size_t i = 0; i < d.cells(); i += 2) {
    d.condition[i] = 1;
    for (std::size_t k = 0; k < width; ++k) residuals[i * width + k] *= 10;
  }
  const ContextFrames frames(d, residuals, mean_variance(d, residuals));
  std::vector<float> framed = residuals;
  frames.enter_each(d.context, framed);
  double square[2] = {0, 0};
  for (std::size_t i = 0; i < framed.size(); ++i)
    square[d.condition[i / width]] += static_cast<double>(framed[i]) * static_cast<double>(framed[i]);
  EXPECT_NEAR(square[1] / square[0], 100, 15);
}

TEST(ContextFrames, CellsOfTheBackboneVaryAsTheirContextDoes) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = two_types();
  auto spread = [&](const Backbone& b, std::size_t context) {
    const GeneratedCells cells = b.sample(queue, {parse_condition("A"), context}, 400, 1);
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < 400; ++i) {
      const auto v = static_cast<double>(cells.expression[i * 20 + 1]);
      mean += v / 400, square += v * v / 400;
    }
    return square - mean * mean;
  };
  TrainingOptions o = quick();
  Backbone own, pooled;
  own.fit(queue, d, o, {});
  o.residual_covariance = "pooled";
  pooled.fit(queue, d, o, {});
  EXPECT_GT(spread(own, 1), 2 * spread(own, 0));
  EXPECT_LT(spread(pooled, 1), 1.5 * spread(pooled, 0));
}

TEST(ContextFrames, AnUntrainedDiffusionIsTheBackboneInEveryContext) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = two_types();
  Diffusion model;
  model.prepare(queue, d, quick());
  const Backbone& backbone = model.backbone();
  const std::size_t K = backbone.space().width();
  ASSERT_TRUE(backbone.frames().exists(1));
  for (std::size_t context = 0; context < 2; ++context) {
    const Query q{parse_condition("A"), context};
    // The covariance of what leaves the frame, and its density by hand.
    HostMatrix covariance(K, K);
    for (std::size_t k = 0; k < K; ++k) {
      std::vector<float> axis(K, 0);
      axis[k] = static_cast<float>(std::sqrt(backbone.frames().variance()[k]));
      backbone.frames().leave(context, axis);
      for (std::size_t a = 0; a < K; ++a)
        for (std::size_t b = 0; b < K; ++b)
          covariance(a, b) += static_cast<double>(axis[a]) * static_cast<double>(axis[b]);
    }
    double constant = 0;
    for (const double v : symmetric_eigen(covariance).values) constant -= .5 * std::log(2 * M_PI * v);
    const std::size_t first = context * 240 + 60;  // of A
    const std::vector<float> cells(d.row(first), d.row(first + 4));
    const auto z = backbone.space().coordinates(about_mean(cells, backbone.mean(q)), 4);
    HostMatrix columns(K, 4);
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t k = 0; k < K; ++k) columns(k, i) = static_cast<double>(z[i * K + k]);
    const HostMatrix solved = solve_symmetric(covariance, columns);
    const auto of_backbone = backbone.log_likelihood(queue, q, cells, {}),
               of_model = model.log_likelihood(queue, q, cells, {});
    for (std::size_t i = 0; i < 4; ++i) {
      double truth = constant;
      for (std::size_t k = 0; k < K; ++k) truth -= .5 * columns(k, i) * solved(k, i);
      EXPECT_NEAR(of_backbone.value[i], truth, 1e-3) << context << i;
      EXPECT_NEAR(of_model.value[i], truth, .02) << context << i;
    }
    // And its samples.
    const auto latent = model.sample_latent(queue, q, 4000, SamplerKind::dpm_solver, 50, 3);
    double trace = 0, square = 0;
    for (std::size_t k = 0; k < K; ++k) trace += covariance(k, k);
    for (const float v : latent) square += static_cast<double>(v) * static_cast<double>(v) / 4000;
    EXPECT_NEAR(square / trace, 1, .08) << context;
  }
}

}  // namespace
}  // namespace perturbine

// The hybrid starts at the backbone, moves the mean only where conditions it did not learn from gain, and samples
// around exactly what it predicts.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "models/hybrid.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::test_device;
using testing_models::toy;

// Eight singles and eight doubles, additive or with something besides that every double does.
TrainingData screen(bool interacting) {
  TrainingData d;
  d.genes = 24, d.contexts = {""};
  auto add = [&](const std::string& label) {
    d.conditions.push_back(parse_condition(label));
    const Condition& c = d.conditions.back();
    for (std::size_t i = 0; i < 30; ++i) {
      d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1), d.context.push_back(0);
      d.library_size.push_back(8000);
      std::vector<float> z(24);
      normal_row(11, d.conditions.size(), i, z.data(), 24);
      for (std::size_t g = 0; g < 24; ++g) {
        double m = 2;
        for (const auto& p : c.parts) m += std::stoul(p.name.substr(1)) % 24 == g ? 1 : 0;
        if (interacting && c.parts.size() == 2 && g >= 18) m += 1.5;  // every double does this besides
        d.expression.push_back(static_cast<float>(std::max(0.0, m + .3 * static_cast<double>(z[g]))));
      }
    }
  };
  add("control");
  for (int p = 0; p < 8; ++p) add("P" + std::to_string(p));
  for (int p = 0; p < 8; ++p) add("P" + std::to_string(p) + "+P" + std::to_string((p + 3) % 8));
  return d;
}

TEST(Hybrid, StartsExactlyAtTheBackbone) {
  Queue queue(test_device(), {.threads = 2});
  for (const char* training : {"staged", "joint"}) {
    Hybrid model;
    TrainingOptions o = quick();
    o.hybrid_training = training;
    model.prepare(queue, toy(), o);
    auto state = model.state(queue);
    state.choices = {1};  // even with the whole of the network's shift, which is zero before the first step
    model.set_state(queue, state);
    for (const char* label : {"control", "A", "A+B", "B+C"}) {
      const Query q{parse_condition(label), 0};
      EXPECT_EQ(model.predict_mean(queue, q), model.backbone().mean(q)) << label;
    }
  }
}

TEST(Hybrid, MovesTheMeanOnlyWhereLeftOutConditionsGain) {
  Queue queue(test_device(), {.threads = 2});
  TrainingOptions o = quick();
  o.steps = 20;
  // Additive data leave nothing to learn.
  Hybrid plain;
  plain.fit(queue, screen(false), o, {});
  EXPECT_LT(plain.mean_share(), .3);
  // Doubles that all do something besides: whether learned or not, the left-out error does not rise.
  Hybrid model;
  model.fit(queue, screen(true), o, {});
  const Query unseen{parse_condition("P0+P4"), 0};
  const auto closed = model.backbone().mean(unseen), moved = model.predict_mean(queue, unseen);
  double before = 0, after = 0;
  for (std::size_t g = 0; g < 24; ++g) {
    const double truth = 2 + (g == 0 || g == 4 ? 1 : 0) + (g >= 18 ? 1.5 : 0);
    before += std::pow(closed[g] - truth, 2), after += std::pow(moved[g] - truth, 2);
  }
  EXPECT_LE(after, before * 1.02);
  // What was seen stays what was seen.
  const Query seen{parse_condition("P1+P4"), 0};
  EXPECT_EQ(model.predict_mean(queue, seen), model.backbone().mean(seen));
  EXPECT_NE(model.report().back().find("hybrid:"), std::string::npos);
}

TEST(Hybrid, SamplesHaveThePredictedMean) {
  Queue queue(test_device(), {.threads = 2});
  Hybrid model;
  model.fit(queue, toy(), quick(), {});
  const Query q{parse_condition("A+B"), 0};
  const auto mean = model.predict_mean(queue, q);
  const auto cells = model.sample(queue, q, 3000, 1);
  for (std::size_t g = 0; g < 20; ++g) {
    double m = 0;
    for (std::size_t i = 0; i < cells.count; ++i) m += static_cast<double>(cells.expression[i * 20 + g]) / 3000;
    EXPECT_NEAR(m, mean[g], .08) << g;  // three standard errors of 3000 cells
  }
}

TEST(Hybrid, SameBitsForAnyThreadCountAndAfterStoppingInEitherStage) {
  auto trained = [](const char* training, int threads, std::size_t stop_at) {
    Queue queue(test_device(), {.threads = threads});
    TrainingOptions o = quick();
    o.hybrid_training = training;
    auto model = std::make_unique<Hybrid>();
    model->prepare(queue, toy(), o);
    if (stop_at > 0) {
      model->resume(queue, [&](const TrainingProgress& p) { return p.step < stop_at; });
      const auto state = model->state(queue);
      model = std::make_unique<Hybrid>();
      model->prepare(queue, toy(), o);
      model->set_state(queue, state);
    }
    model->resume(queue, {});
    return model->state(queue).value;
  };
  const auto staged = trained("staged", 1, 0);
  EXPECT_EQ(trained("staged", 3, 100), staged);
  EXPECT_EQ(trained("staged", 2, 350), staged);
  EXPECT_EQ(trained("joint", 2, 50), trained("joint", 1, 0));
}

}  // namespace
}  // namespace perturbine

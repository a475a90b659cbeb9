// Baselines against numbers worked out by hand, rules for new contexts, and library sizes.
#include <gtest/gtest.h>

#include <cmath>

#include "models/backbone.h"
#include "models/baselines.h"
#include "models/linear_map.h"
#include "models/real_cells.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::toy;

double mean_of(const GeneratedCells& cells, std::size_t gene) {
  double sum = 0;
  for (std::size_t i = 0; i < cells.count; ++i)
    sum += static_cast<double>(cells.expression[i * cells.genes + gene]) / static_cast<double>(cells.count);
  return sum;
}

TEST(Baselines, EveryNameIsAModelThatSamples) {
  Queue queue(Device::cpu, {.threads = 2});
  const TrainingData data = toy();
  const Query q{parse_condition("A+B"), 0};
  for (const std::string& name : baseline_names()) {
    const auto model = make_baseline(name);
    ASSERT_NE(model, nullptr) << name;
    EXPECT_EQ(model->name(), name);
    model->fit(queue, data, quick(), {});
    EXPECT_EQ(model->predict_mean(queue, q).size(), 20u) << name;
    if (!model->samples()) continue;
    const auto cells = model->sample(queue, q, 40, 3);
    EXPECT_EQ(cells.count, 40u) << name;
    EXPECT_EQ(cells.library_size.size(), 40u) << name;
    for (const float v : cells.expression) EXPECT_TRUE(std::isfinite(v) && v >= 0) << name;
    EXPECT_EQ(model->sample(queue, q, 40, 3).expression, cells.expression) << name;
  }
  EXPECT_EQ(make_baseline("diffusion"), nullptr);
}

TEST(Baselines, LinearMapFindsTheEffectOfAGeneFromWhatTheGeneIs) {
  // Gene g has the trait v_g; perturbing gene p changes every gene g by v_p v_g. G3 and G8 are never perturbed.
  const double v[] = {-1, -.8, -.6, -.5, -.2, .2, .4, .6, .7, 1};
  auto data = [&](bool named) {
    TrainingData d;
    d.genes = 10, d.contexts = {""};
    d.conditions.emplace_back();
    for (std::size_t p = 0; p < 10; ++p) {
      if (named) d.gene_names.push_back("G" + std::to_string(p));
      if (p != 3 && p != 8) d.conditions.push_back(parse_condition("G" + std::to_string(p)));
    }
    for (std::size_t c = 0; c < d.conditions.size(); ++c)
      for (std::size_t i = 0; i < 4; ++i) {
        d.condition.push_back(static_cast<std::int32_t>(c)), d.context.push_back(0), d.library_size.push_back(5000);
        const double trait = c == 0 ? 0 : v[std::stoul(d.conditions[c].parts[0].name.substr(1))];
        for (std::size_t g = 0; g < 10; ++g) d.expression.push_back(static_cast<float>(3 + trait * v[g]));
      }
    return d;
  };
  const LinearMap map(EffectTable(data(true)), data(true).gene_names);
  EXPECT_EQ(map.placed(), 8u);
  for (const std::size_t p : {3u, 8u}) {
    const auto change = map.change(parse_condition("G" + std::to_string(p)));
    for (std::size_t g = 0; g < 10; ++g) EXPECT_NEAR(change[g], v[p] * v[g], .08) << p << " " << g;
  }
  // Of genes that are not measured nothing is known but the mean change.
  const LinearMap nowhere(EffectTable(data(false)), {});
  EXPECT_EQ(nowhere.placed(), 0u);
  const auto change = nowhere.change(parse_condition("G0"));
  for (std::size_t g = 0; g < 10; ++g) EXPECT_NEAR(change[g], -.05 * v[g], 1e-5);
}

TEST(Baselines, MatchingMeanAndNearestConditionsByHand) {
  Queue queue(Device::cpu, {.threads = 2});
  const TrainingData data = toy();
  const EffectTable table(data);
  auto mean = [&](const char* name, const char* label) {
    const auto model = make_baseline(name);
    model->fit(queue, data, quick(), {});
    return model->predict_mean(queue, {parse_condition(label), 0});
  };
  const auto& a = table.rows()[0].delta;
  const auto& b = table.rows()[1].delta;
  const auto& c = table.rows()[2].delta;
  for (std::size_t g = 0; g < 20; ++g) {
    const double control = table.control_mean(0)[g];
    EXPECT_NEAR(mean("matching-mean", "A+B")[g], control + (a[g] + b[g]) / 2, 1e-9);
    EXPECT_NEAR(mean("matching-mean", "A+X")[g], control + a[g], 1e-9);
    EXPECT_NEAR(mean("matching-mean", "X")[g], control + (a[g] + b[g] + c[g]) / 3, 1e-9);
    EXPECT_NEAR(mean("knn", "A+C")[g], control + (a[g] + c[g]) / 2, 1e-9);
    EXPECT_NEAR(mean("kernel-shift", "A+B")[g], control + a[g] + b[g], 1e-9);  // one context: additive
  }
}

TEST(Baselines, ThinnedCellsAreCountsWithTheAskedMean) {
  const TrainingData data = toy();
  std::vector<double> mean(20);
  for (std::size_t g = 0; g < 20; ++g) mean[g] = g == 0 ? 0 : .3 + .15 * static_cast<double>(g);
  const auto cells = thinned_cells(data, controls_of(data, 0), mean, 5);
  for (std::size_t g = 0; g < 20; ++g) EXPECT_NEAR(mean_of(cells, g), mean[g], .06) << g;
  for (const float v : cells.counts) EXPECT_TRUE(v >= 0 && v == std::floor(v));
}

TEST(Baselines, TiltedWeightsReachTheirTarget) {
  std::vector<float> z(400 * 2);
  for (std::size_t i = 0; i < 400; ++i) normal_row(8, 0, i, z.data() + i * 2, 2);
  std::vector<std::size_t> among;
  for (std::size_t i = 0; i < 300; ++i) among.push_back(i);
  const auto w = tilted_weights(z, 2, {.5f, -.4f}, among);
  double total = 0, first = 0, second = 0;
  for (std::size_t i = 0; i < 400; ++i)
    total += w[i], first += w[i] * static_cast<double>(z[2 * i]), second += w[i] * static_cast<double>(z[2 * i + 1]);
  EXPECT_NEAR(total, 1, 1e-9);
  EXPECT_NEAR(first, .5, .01);
  EXPECT_NEAR(second, -.4, .01);
  for (std::size_t i = 300; i < 400; ++i) EXPECT_EQ(w[i], 0);
  // Draws follow the weights: one from each equal share.
  std::vector<double> share{.5, .25, .25};
  const auto drawn = drawn_by_weight(share, 8, 1);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), 0u), 4);
}

// Five contexts whose control cells lie at 1, 2, ... 5 in gene 0 (so that distances are known) and a perturbation that
// adds `slope` times that position to gene 1, and 1 to gene 2. The last has no perturbed cells of P.
TrainingData contexts(double slope, bool other_conditions) {
  TrainingData d;
  d.genes = 4;
  d.contexts = {"k", "l", "m", "n", "o"};
  d.conditions = {parse_condition("control"), parse_condition("P")};
  if (other_conditions) d.conditions.push_back(parse_condition("Q"));
  for (std::int32_t context = 0; context < 5; ++context)
    for (std::int32_t condition = 0; condition < static_cast<std::int32_t>(d.conditions.size()); ++condition) {
      if (context == 4 && condition == 1) continue;
      for (int cell = 0; cell < 4; ++cell) {
        d.condition.push_back(condition), d.context.push_back(context), d.library_size.push_back(5000 + 500 * context);
        const double noise = (cell % 2 == 0 ? 1 : -1) * .01, at = 1 + context;
        for (const double v : {at,
                               1 + (condition == 1   ? slope * at
                                    : condition == 2 ? .5
                                                     : 0),
                               2. + (condition > 0 ? 1 : 0), 1.})
          d.expression.push_back(static_cast<float>(v + noise));
      }
    }
  return d;
}

TEST(Transfer, ChangesThatFollowTheContextAreExtrapolated) {
  const TrainingData data = contexts(.5, false);
  const EffectTable table(data);
  const ContextTransfer transfer(table, {});
  const Condition p = parse_condition("P");
  EXPECT_TRUE(transfer.knows(p, 4));
  EXPECT_FALSE(transfer.knows(parse_condition("Q"), 4));
  const auto d = transfer.delta(p, 4);
  // The regression on control profiles sees 1 to 4 and says what belongs to 5.
  EXPECT_NEAR(d[1], 2.5, .35) << transfer.report();
  EXPECT_NEAR(d[2], 1, .05);
  EXPECT_NE(transfer.report().find("regression"), std::string::npos) << transfer.report();
}

TEST(Transfer, TheSameChangeEverywhereIsItsMean) {
  const EffectTable table(contexts(0, true));
  const ContextTransfer transfer(table, {});
  const auto d = transfer.delta(parse_condition("P"), 4);
  EXPECT_NEAR(d[1], 0, .05) << transfer.report();
  EXPECT_NEAR(d[2], 1, .05) << transfer.report();
}

TEST(Backbone, LibrarySizesFollowTheCondition) {
  // A doubles the library size, B halves it: A+B is back at the control's, by the additive closed form.
  TrainingData data = toy();
  for (std::size_t i = 0; i < data.cells(); ++i) {
    data.library_size[i] = 4000 + 10 * static_cast<double>(i % 60);
    if (data.condition[i] == 1) data.library_size[i] *= 2;
    if (data.condition[i] == 2) data.library_size[i] /= 2;
  }
  Queue queue(Device::cpu, {.threads = 2});
  Backbone model;
  model.fit(queue, data, quick(), {});
  auto typical = [&](const char* label) {
    double sum = 0;
    for (const double size : model.library_sizes({parse_condition(label), 0}, 500, 1)) sum += std::log(size) / 500;
    return std::exp(sum);
  };
  EXPECT_NEAR(typical("control"), 4295, 40);
  EXPECT_NEAR(typical("A"), 8590, 80);
  EXPECT_NEAR(typical("A+B"), 4295, 80);
  EXPECT_NEAR(typical("B"), 2147, 25);
}

}  // namespace
}  // namespace perturbine

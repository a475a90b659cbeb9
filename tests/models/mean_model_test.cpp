// Closed-form means against numbers worked out by hand and by independent loops.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"
#include "models/closed_form_mean.h"

namespace perturbine {
namespace {

// Two genes; control at (1, 1); A adds (1, 0), B adds (0, 2), A+B adds (1.5, 2.5). Two cells each, spread +-noise.
TrainingData tiny(double noise = 0) {
  TrainingData d;
  d.genes = 2;
  d.contexts = {""};
  const std::vector<std::pair<const char*, std::vector<double>>> means{
      {"control", {1, 1}}, {"A", {2, 1}}, {"B", {1, 3}}, {"A+B", {2.5, 3.5}}};
  for (std::size_t c = 0; c < means.size(); ++c) {
    d.conditions.push_back(parse_condition(means[c].first));
    for (int cell = 0; cell < 2; ++cell) {
      d.condition.push_back(static_cast<std::int32_t>(c));
      d.context.push_back(0);
      d.library_size.push_back(10000);
      for (const double m : means[c].second)
        d.expression.push_back(static_cast<float>(m + (cell == 0 ? noise : -noise)));
    }
  }
  return d;
}

TEST(Means, RulesByHand) {
  const EffectTable table(tiny());
  const Condition ab = parse_condition("A+B"), c = parse_condition("C"), ac = parse_condition("A+C");
  auto delta = [&](MeanRule::Kind k, const Condition& q) { return FittedMean(table, {k, .1, 1}).delta(q); };
  const std::vector<double> mean{(1 + 0 + 1.5) / 3, (0 + 2 + 2.5) / 3};
  EXPECT_EQ(delta(MeanRule::Kind::no_change, ab), (std::vector<double>{0, 0}));
  EXPECT_NEAR(delta(MeanRule::Kind::mean, c)[0], mean[0], 1e-12);
  EXPECT_NEAR(delta(MeanRule::Kind::additive, ab)[0], 1, 1e-12);
  EXPECT_NEAR(delta(MeanRule::Kind::additive, ab)[1], 2, 1e-12);
  EXPECT_NEAR(delta(MeanRule::Kind::additive, ac)[0], 1 + mean[0], 1e-12);
  EXPECT_NEAR(delta(MeanRule::Kind::additive, parse_condition("A:0.5"))[0], .5, 1e-12);
  EXPECT_EQ(stratum_of(ab, table), (Stratum{2, 2}));
  EXPECT_EQ(stratum_of(ac, table), (Stratum{2, 1}));
}

TEST(Means, RidgeSolvesItsNormalEquations) {
  const EffectTable table(tiny());
  const double lambda = .1;
  const FittedMean fitted(table, {MeanRule::Kind::ridge, lambda, 1});
  // Unknowns w_A, w_B for gene 0: (A'A + lambda) w = A' (y - parts * mean), solved by Cramer's rule.
  const double m = (1 + 0 + 1.5) / 3, yA = 1 - m, yB = 0 - m, yAB = 1.5 - 2 * m;
  const double a = 2 + lambda, b = 1, d = 2 + lambda, rA = yA + yAB, rB = yB + yAB;
  const double wA = (rA * d - b * rB) / (a * d - b * b);
  EXPECT_NEAR(fitted.delta(parse_condition("A"))[0], m + wA, 1e-10);
}

TEST(Means, ARidgeForOneConditionIsTheWholeRidgesRowsOfItsParts) {
  const EffectTable table(tiny(.1));
  for (const double prior : {0., 1.})
    for (const char* label : {"A", "B", "A+B", "A:0.5+B", "A+C", "C"}) {
      const MeanRule rule{MeanRule::Kind::ridge, .3, prior};
      const Condition c = parse_condition(label);
      const auto all = FittedMean(table, rule).delta(c), one = FittedMean(table, rule, &c).delta(c);
      for (std::size_t g = 0; g < 2; ++g) EXPECT_NEAR(one[g], all[g], 1e-12) << label << ", prior " << prior;
    }
}

TEST(Means, ShrinkageByHandAndNeverBeyondZero) {
  const EffectTable quiet(tiny(0)), noisy(tiny(5));
  EXPECT_NEAR(quiet.shrunk().rows()[0].delta[0], quiet.rows()[0].delta[0], 1e-9);
  const EffectTable shrunk = noisy.shrunk();
  for (const auto& r : shrunk.rows())
    for (const double v : r.delta) EXPECT_EQ(v, 0);  // noise of 5 on changes of 1: nothing is left
}

TEST(Means, LeaveOneOutPicksAdditiveWhereEffectsAdd) {
  // Singles A..F and all their sums, exactly additive.
  TrainingData d;
  d.genes = 30;
  d.contexts = {""};
  std::vector<std::vector<double>> effect(6, std::vector<double>(30));
  for (std::size_t p = 0; p < 6; ++p)
    for (std::size_t g = 0; g < 30; ++g) {
      float z[4];
      normal4(3, p, g, z);
      effect[p][g] = static_cast<double>(z[0]);
    }
  auto add = [&](const std::string& label, const std::vector<std::size_t>& parts) {
    d.conditions.push_back(parse_condition(label));
    for (int cell = 0; cell < 4; ++cell) {
      d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1);
      d.context.push_back(0);
      d.library_size.push_back(10000);
      for (std::size_t g = 0; g < 30; ++g) {
        double v = 3 + (cell % 2 == 0 ? .01 : -.01);
        for (const std::size_t p : parts) v += effect[p][g];
        d.expression.push_back(static_cast<float>(v));
      }
    }
  };
  add("control", {});
  for (std::size_t p = 0; p < 6; ++p) add(std::string(1, static_cast<char>('A' + p)), {p});
  for (std::size_t p = 0; p < 5; ++p)
    add(std::string(1, static_cast<char>('A' + p)) + "+" + std::string(1, static_cast<char>('B' + p)), {p, p + 1});
  const EffectTable table(d);
  EXPECT_EQ(RuleChoice(table).rule({2, 2, 0}).kind, MeanRule::Kind::additive);
}

TEST(Means, APartMetOnlyInACombinationIsKnownToRidge) {
  // Singles A and B, the double C+D; asked for C+E: C was met, E never.
  TrainingData d;
  d.genes = 4;
  d.contexts = {""};
  const std::vector<std::pair<std::string, std::vector<float>>> rows{
      {"control", {2, 2, 2, 2}}, {"A", {3, 2, 2, 2}}, {"B", {2, 3, 2, 2}}, {"C+D", {2, 2, 6, 2}}};
  for (const auto& [label, mean] : rows) {
    d.conditions.push_back(parse_condition(label));
    for (int cell = 0; cell < 4; ++cell) {
      d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1), d.context.push_back(0);
      d.library_size.push_back(10000);
      for (const float m : mean) d.expression.push_back(m + (cell % 2 == 0 ? .01f : -.01f));
    }
  }
  const EffectTable table(d);
  const Stratum s = stratum_of(parse_condition("C+E"), table);
  EXPECT_EQ(s.parts, 2u);
  EXPECT_EQ(s.seen, 0u);
  EXPECT_EQ(s.met, 1u);
  EXPECT_EQ(stratum_of(parse_condition("A+C"), table), (Stratum{2, 1, 1}));
  const RuleChoice choice(table);
  EXPECT_EQ(choice.rule(s).kind, MeanRule::Kind::ridge);
  EXPECT_EQ(choice.rule({2, 2, 0}).kind, MeanRule::Kind::additive);
  EXPECT_GT(FittedMean(table, choice.rule(s)).delta(parse_condition("C+E"))[2], 1);
}

// Sixteen singles whose changes are a smooth function of a feature.
TrainingData featured(bool related) {
  TrainingData d;
  d.genes = 8, d.contexts = {""};
  PerturbationFeatures f;
  f.width = 1;
  auto add = [&](const std::string& label, double x) {
    d.conditions.push_back(parse_condition(label));
    for (std::size_t i = 0; i < 20; ++i) {
      d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1);
      d.context.push_back(0);
      d.library_size.push_back(10000);
      for (std::size_t g = 0; g < 8; ++g) {
        float z[4];
        normal4(31, d.conditions.size() * 100 + i, g, z);
        d.expression.push_back(
            static_cast<float>(10 + std::sin(x * .8 + static_cast<double>(g)) * (label == "control" ? 0 : 2) +
                               .1 * static_cast<double>(z[0])));
      }
    }
  };
  add("control", 0);
  for (int i = 0; i < 17; ++i) {
    const std::string name = "Q" + std::string(1, static_cast<char>('A' + i));
    const double x = -2 + .25 * i;
    if (i != 8) add(name, x);
    f.names.push_back(name);
    f.values.push_back(static_cast<float>(related ? x : (i * 7) % 17 - 8));
  }
  d.features = std::make_shared<const PerturbationFeatures>(f);
  return d;
}

TEST(Features, PredictAPerturbationNeverSeenWhereTheyTellAndAreLeftAloneWhereNot) {
  for (const bool related : {true, false}) {
    const TrainingData d = featured(related);
    TrainingData without = d;
    without.features = nullptr;
    const ClosedFormMean with_features(d, {}), plain(without, {});
    const Query unseen{parse_condition("QI"), 0};  // at 0, between its neighbours
    const auto a = with_features.mean(unseen), b = plain.mean(unseen);
    double error = 0, plain_error = 0;
    for (std::size_t g = 0; g < 8; ++g) {
      const double truth = 10 + 2 * std::sin(static_cast<double>(g));
      error += std::pow(a[g] - truth, 2), plain_error += std::pow(b[g] - truth, 2);
      if (!related) {
        EXPECT_NEAR(a[g], b[g], .4) << "features that tell nothing must not be used";
      }
    }
    if (related) {
      EXPECT_LT(std::sqrt(error), .3 * std::sqrt(plain_error));
    }
    bool said = false;
    for (const std::string& line : with_features.report()) {
      const std::string chosen = line.substr(std::min(line.size(), line.find("chose ")));
      said = said || chosen.substr(0, chosen.find(';')).find("with features") != std::string::npos;
    }
    EXPECT_EQ(said, related);
  }
}

}  // namespace
}  // namespace perturbine

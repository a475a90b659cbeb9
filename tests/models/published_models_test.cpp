// scGen, scVI and CPA: learn what their papers say they learn, compose as documented, give the same bits from any
// thread count.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <numeric>

#include "models/cpa.h"
#include "models/scgen.h"
#include "models/scvi.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::test_device;
using testing_models::toy;

ScGenRecipe small_recipe() {
  ScGenRecipe r;
  r.hidden = 64, r.latent = 8, r.epochs = 300, r.patience = 300, r.dropout = .05f;
  return r;
}
std::vector<double> observed(const TrainingData& d, const std::string& label, std::int32_t context = 0) {
  std::vector<double> mean(d.genes, 0);
  double cells = 0;
  for (std::size_t i = 0; i < d.cells(); ++i) {
    if (d.context[i] != context || !(d.conditions[static_cast<std::size_t>(d.condition[i])] == parse_condition(label)))
      continue;
    cells += 1;
    for (std::size_t g = 0; g < d.genes; ++g) mean[g] += static_cast<double>(d.row(i)[g]);
  }
  for (double& m : mean) m /= cells;
  return mean;
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t g = 0; g < a.size(); ++g) sum += (a[g] - b[g]) * (a[g] - b[g]);
  return std::sqrt(sum);
}

TEST(ScGen, LearnsShiftsAndComposesThem) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = toy();
  ScGen model(small_recipe());
  model.fit(queue, d, {}, {});
  const auto at = [&](const char* label) { return model.predict_mean(queue, {parse_condition(label), 0}); };
  const auto control = at("control");
  const double change = distance(observed(d, "A"), observed(d, "control"));
  EXPECT_LT(distance(control, observed(d, "control")), .35 * change);
  EXPECT_LT(distance(at("A"), observed(d, "A")), .35 * change);
  EXPECT_LT(distance(at("B"), observed(d, "B")), .35 * change);
  // A gene of A's programme and one of B's both rise in the combination; half a dose of A is between.
  EXPECT_GT(at("A+B")[1], control[1] + .5 * (at("A")[1] - control[1]));
  EXPECT_GT(at("A+B")[2], control[2] + .5 * (at("B")[2] - control[2]));
  EXPECT_GT(distance(at("A:0.5"), control), .2 * distance(at("A"), control));
  EXPECT_LT(distance(at("A:0.5"), control), .8 * distance(at("A"), control));
  // What was never seen does nothing.
  EXPECT_EQ(at("Z"), control);
  EXPECT_EQ(at("A+Z"), at("A"));
  const GeneratedCells cells = model.sample(queue, {parse_condition("A"), 0}, 40, 3);
  EXPECT_EQ(cells.count, 40u);
  EXPECT_TRUE(cells.counts.empty());
  for (const float v : cells.expression) EXPECT_TRUE(std::isfinite(v) && v >= 0);
  EXPECT_EQ(model.sample(queue, {parse_condition("A"), 0}, 40, 3).expression, cells.expression);
  EXPECT_NE(model.sample(queue, {parse_condition("A"), 0}, 40, 4).expression, cells.expression);
}

TEST(ScGen, AShiftIsCarriedToAnotherContext) {
  Queue queue(test_device(), {.threads = 2});
  // Two contexts that differ in genes 16 ... 19; in the second, A was not measured.
  TrainingData d = toy();
  const std::size_t cells = d.cells();
  d.contexts = {"T", "U"};
  std::vector<std::size_t> copied;
  for (std::size_t i = 0; i < cells; ++i) {
    if (d.condition[i] == 1) continue;
    d.condition.push_back(d.condition[i]);
    d.context.push_back(1);
    d.library_size.push_back(d.library_size[i]);
    for (std::size_t g = 0; g < d.genes; ++g) {
      const float v = d.row(i)[g];
      d.expression.push_back(g >= 16 ? v + 1.0f : v);
    }
  }
  ScGen model(small_recipe());
  model.fit(queue, d, {}, {});
  std::vector<double> wanted = observed(d, "A");
  for (std::size_t g = 16; g < d.genes; ++g) wanted[g] += 1;
  const double change = distance(observed(d, "A"), observed(d, "control"));
  EXPECT_LT(distance(model.predict_mean(queue, {parse_condition("A"), 1}), wanted), .6 * change);
}

TEST(ScGen, SameBitsFromAnyThreadCountAndSeedsDiffer) {
  const TrainingData d = toy();
  ScGenRecipe recipe = small_recipe();
  recipe.epochs = 3;
  std::vector<std::vector<double>> means;
  for (const auto& [threads, seed] : {std::pair{1, 1}, std::pair{3, 1}, std::pair{2, 2}}) {
    Queue queue(Device::cpu, {.threads = threads});
    TrainingOptions o;
    o.seed = static_cast<std::uint64_t>(seed);
    ScGen model(recipe);
    model.fit(queue, d, o, {});
    means.push_back(model.predict_mean(queue, {parse_condition("A"), 0}));
  }
  EXPECT_EQ(means[0], means[1]);
  EXPECT_NE(means[0], means[2]);
}

TEST(ScGen, StopsWhereTheLossNoLongerFallsAndWhenAsked) {
  Queue queue(test_device(), {.threads = 2});
  ScGenRecipe recipe = small_recipe();
  recipe.epochs = 1000, recipe.patience = 2;
  ScGen model(recipe);
  model.fit(queue, toy(), {}, {});
  ASSERT_EQ(model.report().size(), 1u);
  EXPECT_NE(model.report()[0].find("had not fallen for 2 epochs"), std::string::npos) << model.report()[0];
  std::size_t reported = 0;
  model.fit(queue, toy(), {}, [&](const TrainingProgress& p) {
    reported = p.step;
    return false;
  });
  EXPECT_EQ(reported, 50u);
  EXPECT_NE(model.report()[0].find("50 steps"), std::string::npos) << model.report()[0];
}

TEST(ScVi, DecodesControlsUnderPerturbationsAndTheirSums) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = toy();
  ScViRecipe recipe;
  recipe.hidden = 32, recipe.latent = 4, recipe.batch = 48, recipe.epochs = 400, recipe.warm_up = 10;
  ScVi model(recipe);
  model.fit(queue, d, {}, {});
  const auto at = [&](const char* label) { return model.predict_mean(queue, {parse_condition(label), 0}); };
  const auto control = at("control");
  const double change = distance(observed(d, "A"), observed(d, "control"));
  EXPECT_LT(distance(control, observed(d, "control")), .3 * change);
  // Part of the change stays in the latents, for the encoder is not told of the perturbation.
  EXPECT_LT(distance(at("A"), observed(d, "A")), .6 * change);
  EXPECT_LT(distance(at("B"), observed(d, "B")), .6 * change);
  EXPECT_GT(at("A+B")[1], control[1] + .4 * (at("A")[1] - control[1]));
  EXPECT_GT(at("A+B")[2], control[2] + .4 * (at("B")[2] - control[2]));
  EXPECT_EQ(at("Z"), control);
  EXPECT_EQ(at("A+Z"), at("A"));
  const Query q{parse_condition("A"), 0};
  const GeneratedCells cells = model.sample(queue, q, 60, 3);
  EXPECT_EQ(cells.count, 60u);
  double spread = 0, real = 0;
  std::vector<double> mean(d.genes, 0);
  for (std::size_t k = 0; k < cells.counts.size(); ++k) {
    EXPECT_EQ(cells.counts[k], std::floor(cells.counts[k]));
    EXPECT_NEAR(cells.expression[k], std::log1p(10000 * cells.counts[k] / cells.library_size[k / d.genes]), 1e-5);
    mean[k % d.genes] += static_cast<double>(cells.expression[k]) / 60;
  }
  const auto wanted = observed(d, "A");
  for (std::size_t k = 0; k < cells.counts.size(); ++k)
    spread += std::pow(static_cast<double>(cells.expression[k]) - mean[k % d.genes], 2) / 59;
  for (std::size_t i = 0; i < d.cells(); ++i)
    for (std::size_t g = 0; g < d.genes && d.condition[i] == 1; ++g)
      real += std::pow(static_cast<double>(d.row(i)[g]) - wanted[g], 2) / 59;
  EXPECT_GT(spread, .6 * real);
  EXPECT_LT(spread, 1.6 * real);
  EXPECT_EQ(model.sample(queue, q, 60, 3).counts, cells.counts);
  EXPECT_NE(model.sample(queue, q, 60, 4).counts, cells.counts);
}

TEST(ScVi, SameBitsFromAnyThreadCount) {
  const TrainingData d = toy();
  ScViRecipe recipe;
  recipe.hidden = 32, recipe.latent = 4, recipe.epochs = 3;
  std::vector<std::vector<double>> means;
  for (const int threads : {1, 3}) {
    Queue queue(Device::cpu, {.threads = threads});
    ScVi model(recipe);
    model.fit(queue, d, {}, {});
    means.push_back(model.predict_mean(queue, {parse_condition("A"), 0}));
    EXPECT_NE(model.report()[0].find("scvi: 3 of at most 3 epochs of 216 cells"), std::string::npos);
  }
  EXPECT_EQ(means[0], means[1]);
}

CpaRecipe small_cpa() {
  CpaRecipe r;
  r.hidden = 32, r.layers = 2, r.latent = 8, r.batch = 48, r.epochs = 600, r.adversary_hidden = 16,
  r.adversary_layers = 1;
  return r;
}

TEST(Cpa, EmbedsPerturbationsAndAddsThem) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = toy();
  Cpa model(small_cpa());
  model.fit(queue, d, {}, {});
  const auto at = [&](const char* label) { return model.predict_mean(queue, {parse_condition(label), 0}); };
  const auto control = at("control");
  const auto rises = [&](const char* label, std::size_t gene) { return at(label)[gene] - control[gene]; };
  const auto observed_rise = [&](const char* label, std::size_t gene) {
    return observed(d, label)[gene] - observed(d, "control")[gene];
  };
  for (const std::size_t gene : {1u, 5u, 9u, 13u, 17u})
    EXPECT_GT(rises("A", gene), .3 * observed_rise("A", gene)) << gene;
  for (const std::size_t gene : {2u, 6u, 10u, 14u, 18u})
    EXPECT_GT(rises("B", gene), .3 * observed_rise("B", gene)) << gene;
  EXPECT_GT(rises("A+B", 1), .4 * rises("A", 1));
  EXPECT_GT(rises("A+B", 2), .4 * rises("B", 2));
  // Half a dose is between, what was never seen does nothing.
  EXPECT_GT(distance(at("A:0.5"), control), .2 * distance(at("A"), control));
  EXPECT_LT(distance(at("A:0.5"), control), .95 * distance(at("A"), control));
  EXPECT_EQ(at("Z"), control);
  EXPECT_EQ(at("A+Z"), at("A"));
  const GeneratedCells cells = model.sample(queue, {parse_condition("A"), 0}, 40, 3);
  EXPECT_EQ(cells.count, 40u);
  for (const float v : cells.expression) EXPECT_TRUE(std::isfinite(v) && v >= 0);
  EXPECT_EQ(model.sample(queue, {parse_condition("A"), 0}, 40, 3).expression, cells.expression);
  // Drawn counts or expected ones, by which the control cells' mean comes back.
  const std::string line = model.report()[0];
  EXPECT_EQ(line.find("counts drawn") == std::string::npos, cells.counts.empty()) << line;
  double chosen = 0, other = 0;
  const std::size_t at_number = line.find("comes back within ");
  ASSERT_EQ(std::sscanf(line.c_str() + at_number, "comes back within %lf, by the other within %lf", &chosen, &other),
            2);
  EXPECT_LT(chosen, other);
  EXPECT_NEAR(chosen, distance(control, observed(d, "control")), 1e-3);
}

// How well a nearest-mean rule tells A's basal states from the control's, on the half of the cells it has not seen.
double told_apart(Queue& queue, const TrainingData& d, const Cpa& model, std::size_t latent) {
  std::vector<std::size_t> cells(d.cells());
  std::iota(cells.begin(), cells.end(), std::size_t{0});
  const std::vector<float> z = model.basal_states(queue, cells);
  std::vector<std::vector<double>> mean(2, std::vector<double>(latent, 0));
  for (std::size_t i = 0; i < d.cells(); ++i)
    for (std::size_t k = 0; i % 2 == 0 && d.condition[i] < 2 && k < latent; ++k)
      mean[static_cast<std::size_t>(d.condition[i])][k] += static_cast<double>(z[i * latent + k]) / 30;
  double right = 0, all = 0;
  for (std::size_t i = 1; i < d.cells(); i += 2) {
    if (d.condition[i] > 1) continue;
    double to[2] = {0, 0};
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t k = 0; k < latent; ++k)
        to[c] += std::pow(static_cast<double>(z[i * latent + k]) - mean[c][k], 2);
    all += 1, right += (to[1] < to[0]) == (d.condition[i] == 1);
  }
  return right / all;
}

TEST(Cpa, TheAdversaryTakesPerturbationsOutOfTheBasalState) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData d = toy();
  CpaRecipe with = small_cpa(), without = small_cpa();
  with.adversary_weight = 5, without.adversary_weight = 0;
  Cpa fooling(with), plain(without);
  fooling.fit(queue, d, {}, {}), plain.fit(queue, d, {}, {});
  EXPECT_GT(told_apart(queue, d, plain, with.latent), .8);
  EXPECT_LT(told_apart(queue, d, fooling, with.latent), told_apart(queue, d, plain, with.latent) - .1);
}

TEST(Cpa, SameBitsFromAnyThreadCount) {
  const TrainingData d = toy();
  CpaRecipe recipe = small_cpa();
  recipe.epochs = 20;
  std::vector<std::vector<double>> means;
  for (const int threads : {1, 3}) {
    Queue queue(Device::cpu, {.threads = threads});
    Cpa model(recipe);
    model.fit(queue, d, {}, {});
    means.push_back(model.predict_mean(queue, {parse_condition("A"), 0}));
    EXPECT_NE(model.report()[0].find("cpa: 20 of at most 20 epochs of 216 cells"), std::string::npos)
        << model.report()[0];
  }
  EXPECT_EQ(means[0], means[1]);
}

}  // namespace
}  // namespace perturbine

// Models under options of their own, and the options that are there for comparison.
#include <gtest/gtest.h>

#include <cmath>

#include "models/diffusion.h"
#include "models/model_variant.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

TEST(ModelVariant, TakesItsOwnOptionsAndKeepsTheRest) {
  TrainingOptions base;
  base.steps = 7;
  const ModelVariant v = parse_variant("diffusion:target=v:guidance-perturbation=1.5:technical-shrinkage=.25", base);
  EXPECT_EQ(v.model, "diffusion");
  EXPECT_EQ(v.options.target, "v");
  EXPECT_EQ(v.options.guidance_perturbation, 1.5);
  ASSERT_TRUE(v.options.technical_shrinkage.has_value());
  EXPECT_EQ(v.options.technical_shrinkage.value_or(0), .25);
  EXPECT_EQ(v.options.steps, 7u);
  EXPECT_EQ(options_text(parse_variant("flow", base).options), options_text(base));
  EXPECT_FALSE(parse_variant("flow:technical-shrinkage=auto", v.options).options.technical_shrinkage.has_value());
  EXPECT_TRUE(is_trainable("flow:steps=3"));
  EXPECT_TRUE(builds_on_backbone("backbone:technical-shrinkage=0"));
  EXPECT_FALSE(builds_on_backbone("additive"));
}

TEST(ModelVariant, SaysWhatIsWrong) {
  const auto complaint = [](const std::string& name) {
    try {
      parse_variant(name, {});
    } catch (const InputError& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  EXPECT_NE(complaint("flow:colour=red").find("'colour' is no option"), std::string::npos);
  EXPECT_NE(complaint("flow:steps=many").find("steps is 'many'"), std::string::npos);
  EXPECT_NE(complaint("flow:steps=0").find("between 1 and"), std::string::npos);
  EXPECT_NE(complaint("flow:coupling=loose").find("must be one of balanced"), std::string::npos);
  EXPECT_NE(complaint("flow:steps").find("option=value"), std::string::npos);
  EXPECT_NE(complaint("flow:").find("nothing stands behind"), std::string::npos);
  EXPECT_NE(complaint("flow:seed=3").find("'seed' is no option"), std::string::npos);
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t g = 0; g < a.size(); ++g) sum += (a[g] - b[g]) * (a[g] - b[g]);
  return std::sqrt(sum);
}
std::vector<double> mean_of(const GeneratedCells& cells) {
  std::vector<double> mean(cells.genes, 0);
  for (std::size_t i = 0; i < cells.expression.size(); ++i)
    mean[i % cells.genes] += static_cast<double>(cells.expression[i]) / static_cast<double>(cells.count);
  return mean;
}

TEST(ModelVariant, AboutControlsTheNetworkLearnsTheWholeChange) {
  Queue queue(testing_models::test_device());
  TrainingOptions o = testing_models::quick();
  o.steps = 2000, o.mean_centre = "control", o.rate = 3e-3f;
  Diffusion model;
  model.fit(queue, testing_models::toy(), o, {});
  Backbone observed;
  observed.fit(queue, testing_models::toy(), o, {});
  const auto control = observed.mean({{}, 0});
  for (const char* label : {"A", "B", "C"}) {
    const Query q{parse_condition(label), 0};
    const auto change = distance(control, observed.mean(q));
    EXPECT_LT(distance(model.predict_mean(queue, q), observed.mean(q)), .5 * change) << label;
    EXPECT_LT(distance(mean_of(model.sample(queue, q, 2000, 1)), model.predict_mean(queue, q)), .2 * change) << label;
    EXPECT_TRUE(model.state_mean(q, 60).half_width.empty());
  }
}

TEST(ModelVariant, WithoutCalibrationSampledCellsMissTheMean) {
  Queue queue(testing_models::test_device());
  TrainingOptions o = testing_models::quick();
  const Query q{parse_condition("A"), 0};
  double missed[2];
  for (const bool calibrated : {true, false}) {
    o.decoder_calibration = calibrated ? "on" : "off";
    Backbone model;
    model.fit(queue, testing_models::toy(), o, {});
    missed[calibrated ? 1 : 0] = distance(mean_of(model.sample(queue, q, 4000, 1)), model.mean(q));
  }
  EXPECT_LT(missed[1], .3);
  EXPECT_GT(missed[0], 2 * missed[1]);
}

TEST(ModelVariant, ModelsWithoutTheOptionRefuseIt) {
  Queue queue(testing_models::test_device());
  TrainingOptions o = testing_models::quick();
  o.mean_centre = "control";
  EXPECT_THROW(make_model("flow")->fit(queue, testing_models::toy(), o, {}), InputError);
  o.mean_centre = "backbone", o.decoder_calibration = "off", o.likelihood = "gaussian";
  EXPECT_THROW(make_model("causal-vae")->fit(queue, testing_models::toy(), o, {}), InputError);
}

}  // namespace
}  // namespace perturbine

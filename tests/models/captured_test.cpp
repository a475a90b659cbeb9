// Steps captured once and repeated, as on a GPU: on the emulator, which refuses what a GPU refuses during a capture, a
// repeated step must compute what the same step launched operation by operation computes, bit by bit.
#if defined(PERTURBINE_EMULATOR)

#include <gtest/gtest.h>

#include "kernels/emulator/install.h"
#include "models/cpa.h"
#include "models/scgen.h"
#include "models/scvi.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::toy;

struct Outcome {
  std::vector<double> mean;
  std::vector<float> cells;
};

Outcome train_and_sample(const std::string& name, bool eager) {
  install_emulator();
  Queue queue(Device::emulated, {.threads = 2});
  Observer watching;  // sees nothing, but work that is watched is neither captured nor branches
  if (eager) queue.add_observer(&watching);
  TrainingOptions options = quick();
  options.steps = 5, options.batch_size = 16, options.hidden = 16, options.blocks = 2, options.latent = 4;
  options.sampler_steps = 6;
  options.guidance_perturbation = name == "diffusion" ? 1.5 : 1.0;
  const bool wide = name == "causal-vae of many genes";
  std::unique_ptr<Model> model;
  if (name == "scgen")
    model = std::make_unique<ScGen>(ScGenRecipe{.hidden = 12, .latent = 4, .batch = 60, .epochs = 1});
  else if (name == "cpa")
    model = std::make_unique<Cpa>(CpaRecipe{.hidden = 12, .latent = 4, .batch = 60, .epochs = 2});
  else if (name == "scvi")
    model = std::make_unique<ScVi>(ScViRecipe{.hidden = 12, .latent = 4, .batch = 60, .warm_up = 2, .epochs = 1});
  else
    model = make_model(wide ? "causal-vae" : name);
  model->fit(queue, wide ? toy(2040) : toy(), options, {});
  const Query q{parse_condition("A+B"), 0};
  return {model->predict_mean(queue, q), model->sample(queue, q, 3, 1).expression};
}

// Losses of a training on one device, as they are reported.
std::vector<double> losses(Device device, std::size_t steps) {
  Queue queue(device, {.threads = 2});
  TrainingOptions options = quick();
  options.steps = steps;
  std::vector<double> curve;
  make_model("diffusion")->fit(queue, toy(), options, [&](const TrainingProgress& p) {
    curve.push_back(p.loss);
    return true;
  });
  return curve;
}

TEST(LossCurve, OfTheDeviceIsThatOfTheCpu) {
  install_emulator();
  const Device device = testing_models::test_device() == Device::cuda ? Device::cuda : Device::emulated;
  const std::size_t steps = device == Device::cuda ? 200 : 60;
  const std::vector<double> on_cpu = losses(Device::cpu, steps), on_device = losses(device, steps);
  ASSERT_EQ(on_cpu.size(), on_device.size());
  ASSERT_GE(on_cpu.size(), 2u);
  for (std::size_t i = 0; i < on_cpu.size(); ++i) EXPECT_NEAR(on_device[i] / on_cpu[i], 1, 1e-2) << i;
}

class Captured : public testing::TestWithParam<const char*> {};

TEST_P(Captured, StepsEqualEagerOnes) {
  const Outcome eager = train_and_sample(GetParam(), true), captured = train_and_sample(GetParam(), false);
  EXPECT_EQ(eager.mean, captured.mean);
  EXPECT_EQ(eager.cells, captured.cells);
}

INSTANTIATE_TEST_SUITE_P(EveryModel, Captured,
                         testing::Values("diffusion", "flow", "causal-vae", "causal-vae of many genes", "hybrid",
                                         "scgen", "cpa", "scvi"));

}  // namespace
}  // namespace perturbine

#endif

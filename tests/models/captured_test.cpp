// Steps captured once and repeated, as on a GPU: on the emulator, which refuses what a GPU refuses during a capture, a
// repeated step must compute what the same step launched operation by operation computes, bit by bit.
#if defined(PERTURBINE_EMULATOR)

#include <gtest/gtest.h>

#include "kernels/emulator/install.h"
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
  std::unique_ptr<Model> model;
  if (name == "scgen")
    model = std::make_unique<ScGen>(ScGenRecipe{.hidden = 12, .latent = 4, .batch = 60, .epochs = 1});
  else if (name == "scvi")
    model = std::make_unique<ScVi>(ScViRecipe{.hidden = 12, .latent = 4, .batch = 60, .warm_up = 2, .epochs = 1});
  else
    model = make_model(name);
  model->fit(queue, toy(), options, {});
  const Query q{parse_condition("A+B"), 0};
  return {model->predict_mean(queue, q), model->sample(queue, q, 3, 1).expression};
}

class Captured : public testing::TestWithParam<const char*> {};

TEST_P(Captured, StepsEqualEagerOnes) {
  const Outcome eager = train_and_sample(GetParam(), true), captured = train_and_sample(GetParam(), false);
  EXPECT_EQ(eager.mean, captured.mean);
  EXPECT_EQ(eager.cells, captured.cells);
}

INSTANTIATE_TEST_SUITE_P(EveryModel, Captured,
                         testing::Values("diffusion", "flow", "causal-vae", "hybrid", "scgen", "scvi"));

}  // namespace
}  // namespace perturbine

#endif

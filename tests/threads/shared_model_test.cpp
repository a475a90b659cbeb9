// One loaded model used by several threads. A program of its own, so that ThreadSanitizer's build compiles little else.
#include <gtest/gtest.h>

#include <thread>

#include "models/diffusion.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::test_device;
using testing_models::toy;

TEST(Threads, OneModelSampledFromTwoGivesEachItsOwnCells) {
  Queue queue(test_device(), {.threads = 1});
  Diffusion trained;
  trained.fit(queue, toy(), quick(), {});
  const Diffusion& model = trained;
  auto cells = [&](std::uint64_t seed) {
    Queue own(test_device(), {.threads = 1});
    return model.sample(own, {parse_condition("A+B"), 0}, 20, seed).counts;
  };
  const auto alone1 = cells(1), alone2 = cells(2);
  std::vector<float> together1, together2;
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) together2 = cells(2);
  });
  for (int i = 0; i < 3; ++i) together1 = cells(1);
  other.join();
  EXPECT_EQ(together1, alone1);
  EXPECT_EQ(together2, alone2);
}

}  // namespace
}  // namespace perturbine

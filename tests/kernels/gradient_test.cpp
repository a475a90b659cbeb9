// Every gradient against four-point differences of the double-precision oracle.
#include <gtest/gtest.h>

#include "bench/cases/compare.h"

namespace perturbine::cases {
namespace {

TEST(Gradients, AgreeWithDifferencesOfTheOracle) {
  int compared = 0;
  for (const GradientPair& pair : all_cases().gradients) {
    for (const Case& backward : all_cases().cases) {
      const std::string name = backward.operation + (backward.variant.empty() ? "" : "." + backward.variant);
      if (name != pair.backward || backward.type != "f32" || backward.for_bench) continue;
      const Case* forward = all_cases().find(pair.forward, "f32", backward.shape);
      ASSERT_NE(forward, nullptr) << pair.forward << " has no case of shape " << backward.shape.name();
      EXPECT_EQ(compare_with_differences(*forward, backward), "");
      ++compared;
    }
  }
  EXPECT_GE(compared, static_cast<int>(all_cases().gradients.size()));
}

TEST(Gradients, AWrongGradientIsNoticed) {
  // The forward pass of one variant against the backward pass of the other.
  const Shape shape{{71, 229}};
  const Case* forward = all_cases().find("film_layer_norm.silu", "f32", shape);
  const Case* backward = all_cases().find("film_layer_norm_backward.linear", "f32", shape);
  ASSERT_TRUE(forward != nullptr && backward != nullptr);
  EXPECT_NE(compare_with_differences(*forward, *backward), "");
}

}  // namespace
}  // namespace perturbine::cases

// A small data set that the tests of the generative models share: 20 genes (or more of the kind), control and A, B, C
// with 60 cells each.
#pragma once
#include <cmath>
#include <cstdlib>

#include "kernels/core/philox.h"
#include "models/model.h"

namespace perturbine::testing_models {

// PERTURBINE_TEST_DEVICE=cuda runs these tests on a GPU.
inline Device test_device() {
  const char* device = std::getenv("PERTURBINE_TEST_DEVICE");
  return device != nullptr && std::string(device) == "cuda" ? Device::cuda : Device::cpu;
}

inline TrainingData toy(std::size_t genes = 20) {
  TrainingData d;
  d.genes = genes;
  d.contexts = {""};
  for (const char* label : {"control", "A", "B", "C"}) d.conditions.push_back(parse_condition(label));
  for (std::size_t c = 0; c < 4; ++c)
    for (std::size_t i = 0; i < 60; ++i) {
      d.condition.push_back(static_cast<std::int32_t>(c));
      d.context.push_back(0);
      d.library_size.push_back(5000 + 100.0 * static_cast<double>(i));
      float z[4];
      normal4(4, c, i, z);
      for (std::size_t g = 0; g < genes; ++g) {
        const double rate = std::exp(.5 + .1 * static_cast<double>(g % 20) + (g % 4 == c ? .8 : 0) +
                                     .4 * static_cast<double>(z[g % 2]));
        float u[4];
        normal4(5, c * 1000 + i, g, u);
        const double count = std::max(0.0, std::round(rate + std::sqrt(rate) * static_cast<double>(u[0])));
        d.expression.push_back(static_cast<float>(std::log1p(10000 * count / d.library_size.back())));
      }
    }
  return d;
}

// Two cell types; in the second one gene pair varies much more.
inline TrainingData two_types() {
  TrainingData d = toy();
  const std::size_t n = d.cells();
  d.contexts = {"T", "B"};
  for (std::size_t i = 0; i < n; ++i) {
    d.condition.push_back(d.condition[i]);
    d.context.push_back(1);
    d.library_size.push_back(d.library_size[i]);
    for (std::size_t g = 0; g < 20; ++g)
      d.expression.push_back(std::max(0.0f, d.row(i)[g] + (g < 2 ? 2.0f * (i % 2 == 0 ? 1.0f : -1.0f) : 0.5f)));
  }
  return d;
}

inline TrainingOptions quick() {
  TrainingOptions o;
  o.steps = 60, o.batch_size = 64, o.hidden = 32, o.blocks = 2, o.latent = 8;
  return o;
}

}  // namespace perturbine::testing_models

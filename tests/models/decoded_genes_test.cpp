// Which genes a step decodes: the sum over them, weighed, has the expectation of the sum over all genes.
#include "models/decoded_genes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "models/causal_vae.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using namespace testing_models;

constexpr std::size_t genes = 2600, cells = 12;

// Gene g is shown by more cells the larger (7 g) mod 2600 is; values differ.
CompressedCells some_cells() {
  CompressedCells c;
  for (std::size_t i = 0; i < cells; ++i) {
    for (std::size_t g = 0; g < genes; ++g)
      if (g * 7 % genes >= i * genes / cells) c.add(g, 1 + static_cast<float>((g + i) % 5));
    c.end_cell();
  }
  return c;
}

TEST(DecodedGenes, FewAreAllDecoded) {
  Queue queue(Device::cpu, {.threads = 2});
  CompressedCells c;
  for (std::size_t i = 0; i < 3; ++i) c.add(i, 1), c.add(700 + i, 2), c.end_cell();
  DecodedGenes decoded(queue, c, 800, 2);
  ASSERT_TRUE(decoded.all());
  decoded.set(queue, {2, 0}, 1, 5);
  const CsrView<float> view = decoded.groups().at(0).cells();
  EXPECT_EQ(decoded.groups().size(), 1u);
  EXPECT_EQ(view.columns[0], 2);
  EXPECT_EQ(view.columns[1], 702);
  EXPECT_EQ(view.row_offsets[2], 4);
  EXPECT_EQ(DecodedGenes::rate_factor(800), 1);
}

TEST(DecodedGenes, OfManyTheSumHasTheExpectationOfAll) {
  Queue queue(Device::cpu, {.threads = 2});
  const CompressedCells c = some_cells();
  DecodedGenes decoded(queue, c, genes, 2);
  ASSERT_FALSE(decoded.all());
  EXPECT_EQ(decoded.groups().at(1).weight, 1.6f);
  EXPECT_FLOAT_EQ(DecodedGenes::rate_factor(genes), std::sqrt(1.6f));
  const std::size_t cell = 7;
  double total = 0, sum = 0, square = 0;
  for (auto k = c.row_offsets[cell]; k < c.row_offsets[cell + 1]; ++k)
    total += static_cast<double>(c.values[static_cast<std::size_t>(k)]);
  const int steps = 400;
  std::vector<std::int32_t> shown;
  for (int step = 0; step < steps; ++step) {
    decoded.set(queue, {3, cell}, 9, static_cast<std::size_t>(step));
    const ops::Choice choice = decoded.choice();
    std::set<std::int32_t> distinct;
    for (std::size_t i = 0; i < choice.index.size; ++i) {
      distinct.insert(choice.index[i]);
      ASSERT_EQ(choice.place[static_cast<std::size_t>(choice.index[i])], static_cast<std::int32_t>(i));
    }
    ASSERT_EQ(distinct.size(), DecodedGenes::most);
    std::vector<std::int32_t> first(choice.index.data, choice.index.data + DecodedGenes::most / 2);
    if (step > 0) {
      ASSERT_EQ(first, shown);
    }
    shown = first;
    double estimate = 0;
    for (const auto& group : decoded.groups()) {
      const CsrView<float> view = group.cells();
      for (auto k = view.row_offsets[1]; k < view.row_offsets[2]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        ASSERT_LT(static_cast<std::size_t>(view.columns[at]), group.count);
        const auto gene =
            static_cast<std::size_t>(choice.index[group.first + static_cast<std::size_t>(view.columns[at])]);
        ASSERT_EQ(view.values[at], 1 + static_cast<float>((gene + cell) % 5));
        estimate += static_cast<double>(group.weight) * static_cast<double>(view.values[at]);
      }
      ASSERT_FLOAT_EQ(group.row_weight.view()[0], group.weight / 2);
    }
    sum += estimate, square += estimate * estimate;
  }
  const double mean = sum / steps, error = std::sqrt((square / steps - mean * mean) / steps);
  EXPECT_GT(error, 0);
  EXPECT_NEAR(mean, total, 4 * error);
  // Those always decoded are those that most cells show.
  for (const std::int32_t g : shown) EXPECT_GE(static_cast<std::size_t>(g) * 7 % genes, genes - genes / 2);
}

// The loss of a training on more genes than a step decodes is that of all of them: here the same genes many times over.
TEST(DecodedGenes, LossOfManyGenesIsThatOfAll) {
  Queue queue(Device::cpu, {.threads = 2});
  auto first_loss = [&](std::size_t copies) {
    const TrainingData small = toy();
    TrainingData d = small;
    d.genes = small.genes * copies, d.expression = {};
    for (std::size_t i = 0; i < small.cells(); ++i)
      for (std::size_t k = 0; k < copies; ++k)
        for (std::size_t g = 0; g < small.genes; ++g) d.expression.push_back(small.row(i)[g]);
    TrainingOptions o = quick();
    o.steps = 50, o.rate = 1e-9f, o.batch_size = 128;
    double loss = 0;
    CausalVae().fit(queue, d, o, [&](const TrainingProgress& p) {
      loss = p.loss;
      return true;
    });
    return loss / static_cast<double>(copies);
  };
  const double all = first_loss(100), some = first_loss(200);  // 2000 and 4000 genes
  EXPECT_NEAR(some / all, 1, .01) << all;
}

}  // namespace
}  // namespace perturbine

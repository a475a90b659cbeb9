// Whether interactions known to be strong are predicted strong.
#include <gtest/gtest.h>

#include "evaluation/scoring.h"

namespace perturbine {
namespace {

// The metric's value and status of doubles whose predicted interactions have these sizes, as shares of an additive
// change of length 1, and whose known scores are these.
const ResultRow* score(BenchmarkResults& results, const std::vector<double>& sizes, const std::vector<double>& known) {
  Queue queue(Device::cpu, {.threads = 1});
  EvaluationSpace space;
  space.gene_names = {"g1", "g2"};
  Scoring scoring(queue, space, results);
  results.models = {"model"}, results.seeds = {1};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string label = "A" + std::to_string(i) + "+B";
    space.known_interactions[label] = known[i];
    HeldOut truth;
    truth.genes = 2, truth.control = {1, 2, 1, 2}, truth.control_cells = 2, truth.real_mean = {2, 2};
    truth.additive_delta = std::vector<double>{0, 1};
    scoring.add("model", 1, "", {label, "", "double_seen2", {}}, truth, {1 + sizes[i], 3}, {});
  }
  scoring.finish();
  for (const ResultRow& r : results.rows)
    if (r.value.metric == "known_interaction_spearman") return &r;
  return nullptr;
}

TEST(KnownInteractions, SizesAreRankedWhateverTheSign) {
  BenchmarkResults r;
  const ResultRow* row = score(r, {.1, .5, .9, 2}, {-.2, 1, -3, 7});
  ASSERT_NE(row, nullptr);
  EXPECT_DOUBLE_EQ(row->value.value, 1);
  BenchmarkResults turned;
  row = score(turned, {2, .9, .5, .1}, {-.2, 1, -3, 7});
  ASSERT_NE(row, nullptr);
  EXPECT_DOUBLE_EQ(row->value.value, -1);
  // An additive model predicts none.
  BenchmarkResults none;
  row = score(none, {0, 0, 0, 0}, {-.2, 1, -3, 7});
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->value.status, "undefined");
}

TEST(KnownInteractions, FewerThanFourPairsAreNotJudged) {
  BenchmarkResults r;
  EXPECT_EQ(score(r, {.1, .5, .9}, {1, 2, 3}), nullptr);
}

}  // namespace
}  // namespace perturbine

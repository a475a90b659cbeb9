// The score network: a block as one operation, as samplers with bf16 products have it.
#include "models/score_network.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/ops.h"
#include "kernels/core/observers.h"
#include "kernels/core/philox.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::test_device;

TEST(ScoreNetwork, ABlockAsOneOperationIsTheComposedOne) {
  Queue queue(test_device(), {.threads = 2, .math = Math::bf16});
  Parameters parameters;
  const ResidualScoreNetwork network(parameters, {24, 40, 3}, {40, 1, 1, 8}, 0);
  parameters.allocate(queue, 5);
  std::vector<float> values = parameters.values().get(queue), x(50 * 24), film(240);
  for (std::size_t i = 0; i < values.size() / 64; ++i) normal_row(6, 0, i, values.data() + 64 * i, 64);
  for (float& v : values) v *= .1f;
  parameters.set_values(queue, values);
  normal_row(6, 1, 0, x.data(), x.size()), normal_row(6, 2, 0, film.data(), film.size());
  const Buffer<float> input(queue, x), modulation(queue, film);
  const Buffer<std::uint64_t> offset(queue, std::vector<std::uint64_t>{0});
  Arena arena(queue);
  std::vector<std::vector<float>> out;
  for (const bool fused : {false, true}) {
    Tape tape(arena, parameters);
    fused ? tape.for_inference() : tape.freeze_parameters();
    EXPECT_EQ(ops::can_fuse_residual_block(tape, 40), fused);
    Profile operations;
    queue.add_observer(&operations);
    tape.begin_step();
    const Var F = network.forward(tape, tape.constant(input.matrix(50, 24)), tape.constant(modulation.matrix(1, 240)),
                                  0, offset.view(), 0);
    queue.clear_observers();
    EXPECT_EQ(operations.table(1, 1).find("residual_block") != std::string::npos, fused);
    out.emplace_back(50 * 24);
    queue.read(out.back().data(), tape.value(F).data, out.back().size() * sizeof(float));
  }
  double square = 0, difference = 0;
  for (std::size_t i = 0; i < out[0].size(); ++i) {
    square += std::pow(static_cast<double>(out[0][i]), 2);
    difference += std::pow(static_cast<double>(out[0][i] - out[1][i]), 2);
  }
  EXPECT_GT(square, 1);
  EXPECT_LT(std::sqrt(difference / square), 5e-3);  // the same products; sums in another order, rounded again
}

}  // namespace
}  // namespace perturbine

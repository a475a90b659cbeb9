// Products whose weights are chosen rows of a parameter: gradients against differences, for every entry.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/ops.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

// y = x w[index]^T + b[index] + residual, its first and last columns judged apart; w is used a second time, whole.
struct Chosen {
  static constexpr std::size_t rows = 7, in = 5, entries = 9, chosen = 4;
  Queue queue{Device::cpu, {.threads = 2}};
  Parameters parameters;
  Arena arena{queue};
  Tape tape{arena, parameters};
  Parameter first, first_bias, w, b;
  Buffer<float> x, residual, zero, weight, other_weight;
  Buffer<std::int32_t> index, place;

  Chosen() {
    first = parameters.add("first", in, in, Initial::uniform_fan_in);
    first_bias = parameters.add("first_bias", 1, in, Initial::uniform_fan_in);
    w = parameters.add("w", entries, in, Initial::uniform_fan_in);
    b = parameters.add("b", 1, entries, Initial::uniform_fan_in);
    parameters.allocate(queue, 11);
    std::vector<float> values(rows * in), of_rows(rows * chosen);
    normal_row(1, 0, 0, values.data(), values.size());
    normal_row(2, 0, 0, of_rows.data(), of_rows.size());
    x = Buffer<float>(queue, values), residual = Buffer<float>(queue, of_rows);
    zero = Buffer<float>(queue, std::vector<float>(rows * entries, 0));
    weight = Buffer<float>(queue, std::vector<float>(rows, .5f));
    other_weight = Buffer<float>(queue, std::vector<float>(rows, 1.5f));
    index = Buffer<std::int32_t>(queue, std::vector<std::int32_t>{6, 0, 8, 3});
    place = Buffer<std::int32_t>(queue, std::vector<std::int32_t>{1, -1, -1, 3, -1, -1, 0, -1, 2});
  }

  double loss(bool with_residual) {
    tape.begin_step();
    const ops::Choice choice{index.view(), place.view()};
    const Var h = ops::linear(tape, tape.constant(x.matrix(rows, in)), first, first_bias, Activation::silu);
    const Var some = ops::parameter_rows(tape, w, choice), of_some = ops::parameter_columns(tape, b, choice);
    const Var y = with_residual
                      ? ops::linear_residual(tape, h, some, of_some, tape.constant(residual.matrix(rows, chosen)))
                      : ops::linear(tape, h, some, of_some);
    const auto one = ops::squared_error_loss(tape, tape.slice(y, 0, 1), zero.matrix(rows, 1), weight.view());
    const auto others =
        ops::squared_error_loss(tape, tape.slice(y, 1, chosen - 1), zero.matrix(rows, chosen - 1), other_weight.view());
    const auto whole =
        ops::squared_error_loss(tape, ops::linear(tape, h, w, b), zero.matrix(rows, entries), weight.view());
    tape.backward();
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i)
      sum += .5 * static_cast<double>(one[i] + whole[i]) + 1.5 * static_cast<double>(others[i]);
    return sum;
  }
};

void check(bool with_residual) {
  Chosen net;
  net.loss(with_residual);
  const std::vector<float> gradient = net.parameters.gradients().get(net.queue),
                           values = net.parameters.values().get(net.queue);
  for (const auto& s : net.parameters.segments())
    for (std::size_t k = s.begin; k < s.begin + s.size(); ++k) {
      std::vector<float> moved = values;
      const float h = 1e-2f;
      auto at = [&](float shift) {
        moved[k] = values[k] + shift;
        net.parameters.set_values(net.queue, moved);
        return net.loss(with_residual);
      };
      const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * static_cast<double>(h));
      EXPECT_NEAR(slope, gradient[k], 1e-3 + 2e-3 * std::abs(slope)) << s.name << "[" << k - s.begin << "]";
    }
}

TEST(Choice, GradientsAgreeWithDifferences) { check(false); }
TEST(Choice, GradientsAgreeWithDifferencesWithResidual) { check(true); }

TEST(Choice, TakesRowsAndColumnsAsNumbered) {
  Chosen net;
  net.tape.begin_step();
  const ops::Choice choice{net.index.view(), net.place.view()};
  const MatrixView<float> some = net.tape.value(ops::parameter_rows(net.tape, net.w, choice)),
                          of_some = net.tape.value(ops::parameter_columns(net.tape, net.b, choice));
  for (std::size_t i = 0; i < Chosen::chosen; ++i) {
    const auto from = static_cast<std::size_t>(net.index.view()[i]);
    EXPECT_EQ(of_some(0, i), net.parameters.value(net.b)(0, from));
    for (std::size_t k = 0; k < Chosen::in; ++k) EXPECT_EQ(some(i, k), net.parameters.value(net.w)(from, k));
  }
}

}  // namespace
}  // namespace perturbine

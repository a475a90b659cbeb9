// The tape: a network of every operation against differences of its own loss, and training that learns.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/ops/ops.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  std::vector<float> v((n + 63) / 64 * 64);
  for (std::size_t b = 0; b < v.size() / 64; ++b) normal64(seed, 0, 0, b, v.data() + 64 * b);
  v.resize(n);
  return v;
}

// A small conditional network over every differentiable operation; returns the loss of one step.
struct Network {
  Queue queue;
  Parameters parameters;
  Arena arena{queue};
  Tape tape{arena, parameters};
  static constexpr std::size_t rows = 24, in = 5, hidden = 12, entries = 4, set = 3;
  Parameter w_in, b_in, film_w, film_b, w1, b1, w2, b2, gain, bias, w_out, b_out, table, frequency, key_w, key_b,
      value_w, value_b;
  ops::BatchNormParameters norm;
  Buffer<float> x, x0, time, alpha, sigma, weight, variance, row_weight, set_weight, members, mask;
  Buffer<std::int32_t> offsets, index, member_row, length;
  Buffer<std::uint64_t> draw;

  explicit Network(int threads) : queue(Device::cpu, {.threads = threads}) {
    auto add = [&](const char* name, std::size_t r, std::size_t c, Initial i = Initial::uniform_fan_in) {
      return parameters.add(name, r, c, i);
    };
    w_in = add("w_in", hidden, in), b_in = add("b_in", 1, hidden);
    film_w = add("film_w", 3 * hidden, hidden), film_b = add("film_b", 1, 3 * hidden);
    w1 = add("w1", hidden, hidden), b1 = add("b1", 1, hidden), w2 = add("w2", hidden, hidden),
    b2 = add("b2", 1, hidden);
    gain = add("gain", 1, hidden, Initial::one), bias = add("bias", 1, hidden, Initial::zero);
    w_out = add("w_out", in, hidden), b_out = add("b_out", 1, in);
    table = add("table", entries, hidden), frequency = add("frequency", 1, hidden / 2);
    key_w = add("key_w", hidden, in), key_b = add("key_b", 1, hidden);
    value_w = add("value_w", hidden, in), value_b = add("value_b", 1, hidden);
    norm = ops::add_batch_norm(parameters, "norm", hidden);
    parameters.allocate(queue, 11);
    x = Buffer<float>(queue, normals(rows * in, 1));
    x0 = Buffer<float>(queue, normals(rows * in, 2));
    members = Buffer<float>(queue, normals(rows * set * in, 3));
    std::vector<float> t(rows), a(rows), s(rows);
    std::vector<std::int32_t> o{0}, idx, row, len(rows);
    std::vector<float> m(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      t[i] = .02f + .04f * static_cast<float>(i);
      a[i] = std::cos(t[i]), s[i] = std::sin(t[i]) + .1f;
      len[i] = static_cast<std::int32_t>(i % (set + 1));
      m[i] = i % 5 == 0 ? 0.0f : 1.0f;
      for (std::size_t k = 0; k < i % 3; ++k)
        idx.push_back(static_cast<std::int32_t>((i + k) % entries)), row.push_back(static_cast<std::int32_t>(i));
      o.push_back(static_cast<std::int32_t>(idx.size()));
    }
    time = Buffer<float>(queue, t), alpha = Buffer<float>(queue, a), sigma = Buffer<float>(queue, s);
    weight = Buffer<float>(queue, std::vector<float>(rows, 1.0f));
    row_weight = Buffer<float>(queue, std::vector<float>(rows, 1.0f / rows));
    variance = Buffer<float>(queue, std::vector<float>(in, .7f));
    set_weight = Buffer<float>(queue, std::vector<float>(idx.size(), .8f));
    offsets = Buffer<std::int32_t>(queue, o), index = Buffer<std::int32_t>(queue, idx),
    member_row = Buffer<std::int32_t>(queue, row);
    length = Buffer<std::int32_t>(queue, len);
    mask = Buffer<float>(queue, m);
    draw = Buffer<std::uint64_t>(queue, std::vector<std::uint64_t>{3});
  }

  double loss() {
    tape.begin_step();
    const Var members_in = tape.constant(members.matrix(rows * set, in));
    const Var keys = ops::linear(tape, members_in, key_w, key_b);
    Var c = ops::time_embedding(tape, time.view(), frequency);
    const Var embedded =
        ops::set_embedding(tape, table, {offsets.view(), index.view(), member_row.view(), set_weight.view()}, rows);
    c = ops::add(tape, c, ops::scale_rows(tape, embedded, mask.view()));
    c = ops::silu(tape, c);
    const Var film = ops::linear(tape, c, film_w, film_b);
    Var h = ops::linear(tape, tape.constant(x.matrix(rows, in)), w_in, b_in, Activation::gelu);
    h = ops::add(tape, h,
                 ops::set_attention(tape, c, keys, ops::linear(tape, members_in, value_w, value_b), length.view(), 2));
    const Var n = ops::film_layer_norm(tape, h, tape.slice(film, 0, hidden), tape.slice(film, hidden, hidden), true);
    Var g = ops::linear(tape, n, w1, b1, Activation::silu);
    g = ops::dropout(tape, g, .2f, draw.view(), 5, 9);
    h = ops::gated_residual(tape, h, g, tape.slice(film, 2 * hidden, hidden));
    h = ops::linear_residual(tape, h, w2, b2, h);
    h = ops::batch_norm(tape, ops::layer_norm(tape, h, gain, bias), norm, 1);
    const Var F = ops::linear(tape, h, w_out, b_out);
    const VectorView<float> rows_loss = ops::diffusion_loss(
        tape, F,
        {x0.matrix(rows, in), alpha.view(), sigma.view(), weight.view(), variance.view(), draw.view(), Target::x0, 77},
        row_weight.view());
    // A second loss, on a second use of the table, of batch norm and of the last weights.
    const Var again =
        ops::set_embedding(tape, table, {offsets.view(), index.view(), member_row.view(), set_weight.view()}, rows);
    const VectorView<float> second =
        ops::squared_error_loss(tape, ops::linear(tape, ops::batch_norm(tape, again, norm, 1), w_out, b_out),
                                x.matrix(rows, in), row_weight.view());
    tape.backward();
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += static_cast<double>(rows_loss[i] + second[i]) / rows;
    return sum;
  }
};

TEST(Tape, GradientsOfAWholeNetworkAgreeWithDifferences) {
  Network net(2);
  net.loss();
  const std::vector<float> gradient = net.parameters.gradients().get(net.queue),
                           values = net.parameters.values().get(net.queue);
  int checked = 0;
  for (const auto& s : net.parameters.segments()) {
    for (std::size_t k = 0; k < s.size(); k += std::max<std::size_t>(1, s.size() / 6)) {
      std::vector<float> moved = values;
      const float h = 5e-3f;
      auto at = [&](float shift) {
        moved[s.begin + k] = values[s.begin + k] + shift;
        net.parameters.set_values(net.queue, moved);
        return net.loss();
      };
      const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * static_cast<double>(h));
      EXPECT_NEAR(slope, gradient[s.begin + k], 3e-4 + 2e-3 * std::abs(slope)) << s.name << "[" << k << "]";
      ++checked;
    }
  }
  EXPECT_GT(checked, 80);
}

TEST(Tape, BatchNormKeepsRunningStatisticsForInference) {
  constexpr std::size_t rows = 40, n = 3;
  Queue queue(Device::cpu, {.threads = 2});
  Parameters parameters;
  const ops::BatchNormParameters norm = ops::add_batch_norm(parameters, "norm", n);
  parameters.allocate(queue, 3);
  Arena arena(queue);
  Tape tape(arena, parameters);
  Optimiser optimiser(queue, parameters, {.rate = 0, .decay = 0});
  auto values = normals(rows * n, 2);
  for (std::size_t i = 0; i < rows; ++i) values[i * n + 1] = 5 + 3 * values[i * n + 1];
  const Buffer<float> x(queue, values), ones(queue, std::vector<float>(rows, 1));
  std::vector<float> by_batch(rows * n), by_running(rows * n);
  for (std::size_t step = 1; step <= 1500; ++step) {
    tape.begin_step();
    const Var y = ops::batch_norm(tape, tape.input(x.matrix(rows, n)), norm, 0);
    ops::squared_error_loss(tape, y, x.matrix(rows, n), ones.view());
    queue.read(by_batch.data(), tape.value(y).data, by_batch.size() * sizeof(float));
    tape.backward();
    optimiser.prepare(queue, step, 0);
    optimiser.apply(queue);  // leaves the running statistics alone
  }
  tape.begin_step();
  const Var y = ops::batch_norm_inference(tape, tape.input(x.matrix(rows, n)), norm, 0);
  queue.read(by_running.data(), tape.value(y).data, by_running.size() * sizeof(float));
  // The running variance has rows - 1 in its denominator.
  for (std::size_t k = 0; k < rows * n; ++k) {
    EXPECT_NEAR(by_running[k], by_batch[k], .02f * (std::abs(by_batch[k]) + .1f)) << k;
    EXPECT_GE(by_running[k], 0) << "slope 0";
  }
  ops::squared_error_loss(tape, y, x.matrix(rows, n), ones.view());
  EXPECT_THROW(tape.backward(), Error);
}

TEST(Tape, AScaleThatNeighbouringRowsShareGetsTheSumOfTheirGradients) {
  constexpr std::size_t rows = 12, in = 5, hidden = 7;
  const auto gradients = [&](std::size_t sharing) {
    Queue queue(Device::cpu, {.threads = 1});
    Parameters parameters;
    const Parameter film_w = parameters.add("film", 2 * hidden, in, Initial::uniform_fan_in),
                    film_b = parameters.add("film bias", 1, 2 * hidden, Initial::zero),
                    w = parameters.add("w", hidden, in, Initial::uniform_fan_in),
                    b = parameters.add("b", 1, hidden, Initial::zero);
    parameters.allocate(queue, 3);
    Arena arena(queue);
    Tape tape(arena, parameters);
    const auto few = normals(3 * in, 1);
    std::vector<float> condition;
    for (std::size_t i = 0; i < rows / sharing; ++i)
      for (std::size_t j = 0; j < in; ++j) condition.push_back(few[i * sharing / 4 * in + j]);
    const Buffer<float> c(queue, condition), x(queue, normals(rows * in, 2)), target(queue, normals(rows * hidden, 3)),
        ones(queue, std::vector<float>(rows, 1));
    tape.begin_step();
    const Var film = ops::linear(tape, tape.constant(c.matrix(rows / sharing, in)), film_w, film_b),
              h = ops::linear(tape, tape.constant(x.matrix(rows, in)), w, b);
    const Var y = ops::film_layer_norm(tape, h, tape.slice(film, 0, hidden), tape.slice(film, hidden, hidden), true);
    ops::squared_error_loss(tape, y, target.matrix(rows, hidden), ones.view());
    tape.backward();
    return parameters.gradients().get(queue);
  };
  const auto own = gradients(1), two = gradients(2), four = gradients(4);
  double largest = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_NEAR(two[i], own[i], 2e-5) << i;
    EXPECT_NEAR(four[i], own[i], 2e-5) << i;
    largest = std::max(largest, std::abs(static_cast<double>(own[i])));
  }
  EXPECT_GT(largest, .1);
}

std::vector<float> train(int threads, int steps, double* first = nullptr, double* last = nullptr) {
  Network net(threads);
  Optimiser optimiser(net.queue, net.parameters, {.rate = 1e-2f});
  for (int i = 1; i <= steps; ++i) {
    optimiser.prepare(net.queue, static_cast<std::size_t>(i), 1e-2f);
    const double loss = net.loss();
    optimiser.apply(net.queue);
    if (i == 1 && first != nullptr) *first = loss;
    if (i == steps && last != nullptr) *last = loss;
  }
  return net.parameters.values().get(net.queue);
}

TEST(Training, LossFalls) {
  double first = 0, last = 0;
  train(2, 200, &first, &last);
  EXPECT_LT(last, .5 * first);
}

TEST(Training, WeightsHaveTheSameBitsForAnyThreadCount) {
  const auto one = train(1, 25);
  for (const int threads : {2, 3, 7})
    EXPECT_EQ(std::memcmp(one.data(), train(threads, 25).data(), one.size() * sizeof(float)), 0) << threads;
}

TEST(Arena, AddressesRepeatFromTheSecondStepOnAndMemoryDoesNotGrow) {
  Network net(1);
  net.loss();
  net.loss();
  const std::size_t peak = net.arena.peak();
  const float* address = net.tape.value(Var{5}).data;
  for (int i = 0; i < 50; ++i) net.loss();
  EXPECT_EQ(net.tape.value(Var{5}).data, address);
  EXPECT_EQ(net.arena.peak(), peak);
}

TEST(Parameters, TheRoundedCopyFollowsTheValuesAndGivesTheSameProducts) {
  Queue queue(Device::cpu, {.threads = 2, .math = Math::bf16});
  Parameters parameters;
  const Parameter w = parameters.add("w", 37, 61, Initial::uniform_fan_in),
                  b = parameters.add("b", 1, 37, Initial::zero);
  parameters.allocate(queue, 5);
  Arena arena(queue);
  Tape tape(arena, parameters);
  Optimiser optimiser(queue, parameters, {});
  const Buffer<float> x(queue, normals(29 * 61, 3)), x0(queue, normals(29 * 37, 4)),
      ones(queue, std::vector<float>(29, 1)), variance(queue, std::vector<float>(37, 1)),
      half(queue, std::vector<float>(29, .7f));
  const Buffer<std::uint64_t> draw(queue, std::vector<std::uint64_t>{0});
  for (std::size_t step = 1; step < 4; ++step) {
    tape.begin_step();
    const Var y = ops::linear(tape, tape.constant(x.matrix(29, 61)), w, b);
    // Without the copy the weight is rounded on the way: the same product.
    std::vector<float> own(29 * 37);
    queue.run(Linear<float>{
        x.matrix(29, 61), parameters.value(w), {}, {}, {}, matrix(own.data(), 29, 37), Activation::none, Math::bf16});
    if (step == 1)
      EXPECT_EQ(std::memcmp(own.data(), tape.value(y).data, own.size() * sizeof(float)), 0);
    else
      for (std::size_t i = 0; i < own.size(); ++i) ASSERT_NEAR(own[i], tape.value(y).data[i], .02f);  // the bias moved
    ops::diffusion_loss(
        tape, y,
        {x0.matrix(29, 37), half.view(), half.view(), ones.view(), variance.view(), draw.view(), Target::x0, 1},
        ones.view());
    tape.backward();
    optimiser.prepare(queue, step, 1e-3f);
    optimiser.apply(queue);
    const MatrixView<float> value = parameters.value(w);
    const MatrixView<const bfloat16> rounded = parameters.rounded(w);
    for (std::size_t i = 0; i < value.rows; ++i)
      for (std::size_t j = 0; j < value.columns; ++j) ASSERT_EQ(rounded(i, j).bits, bfloat16(value(i, j)).bits);
  }
  const Parameters averaged = parameters.averaged(queue);
  const MatrixView<float> average = averaged.value(w);
  for (std::size_t i = 0; i < average.rows; ++i)
    for (std::size_t j = 0; j < average.columns; ++j)
      ASSERT_EQ(averaged.rounded(w)(i, j).bits, bfloat16(average(i, j)).bits);
}

}  // namespace
}  // namespace perturbine

// The adversary's two gradients against differences: of its losses in the latent, of its penalty in its parameters.
#include "models/latent_adversary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/philox.h"

namespace perturbine {
namespace {

constexpr std::size_t rows = 24, latent = 5, classes = 3;

struct Game {
  Queue queue{Device::cpu, {.threads = 2}};
  std::vector<float> values = std::vector<float>(rows * latent);
  Buffer<std::int32_t> label;
  Buffer<float> weight, z;
  Buffer<std::uint64_t> offset;
  LatentAdversary adversary;

  Game(float penalty, float dropout)
      : adversary(queue, rows, latent, {classes, 2},
                  {.hidden = 12, .layers = 2, .dropout = dropout, .penalty = penalty, .parameters = {}}, 3) {
    normal_row(5, 0, 0, values.data(), values.size());
    std::vector<std::int32_t> l;
    std::vector<float> w;
    for (std::size_t i = 0; i < rows; ++i)
      l.push_back(static_cast<std::int32_t>(i % 2)), w.push_back(.01f * static_cast<float>(1 + i % 4));
    label = Buffer<std::int32_t>(queue, l), weight = Buffer<float>(queue, w), z = Buffer<float>(queue, values);
    offset = Buffer<std::uint64_t>(queue, std::vector<std::uint64_t>{7});
  }
  std::vector<LatentAdversary::Labels> labels() const {
    return {{label.view(), weight.view()}, {label.view(), weight.view()}};
  }
  MatrixView<const float> at(const std::vector<float>& v) {
    z.set(queue, v);
    return z.matrix(rows, latent);
  }
};

TEST(LatentAdversary, GradientInTheLatentMovesItWhereClassifiersErrMore) {
  Game g(0, .1f);
  const auto gradient = g.adversary.gradient(g.at(g.values), g.labels(), g.offset.view());
  const std::vector<float> kept(gradient.data, gradient.data + rows * latent);
  // Of the losses themselves, by a tape of their own.
  Arena arena(g.queue);
  Tape tape(arena, g.adversary.parameters());
  auto loss = [&](const std::vector<float>& v) {
    tape.begin_step();
    double sum = 0;
    const auto losses = g.adversary.learn(tape, g.at(v), g.labels(), g.offset.view());
    tape.backward();
    for (const auto& of_row : losses)
      for (std::size_t i = 0; i < rows; ++i)
        sum += static_cast<double>(of_row[i]) * static_cast<double>(.01f * static_cast<float>(1 + i % 4));
    return sum;
  };
  for (std::size_t k = 0; k < rows * latent; k += 7) {
    std::vector<float> moved = g.values;
    const float h = 1e-3f;
    moved[k] = g.values[k] + h;
    const double above = loss(moved);
    moved[k] = g.values[k] - h;
    EXPECT_NEAR((above - loss(moved)) / (2 * static_cast<double>(h)), kept[k], 1e-4 + 3e-2 * std::abs(kept[k])) << k;
  }
}

TEST(LatentAdversary, GradientOfThePenaltyIsThatOfTheMeanSquareSlope) {
  Game plain(0, .5f), penalised(2, .5f);
  auto gradient = [](Game& g) {
    // Far from the kinks of the ReLU, whose jumps differences see and derivatives do not: what bends is batch norm.
    std::vector<float> start = g.adversary.parameters().values().get(g.queue);
    for (const auto& s : g.adversary.parameters().segments())
      if (s.name.ends_with("norm.bias"))
        std::fill_n(start.begin() + static_cast<std::ptrdiff_t>(s.begin), s.size(), 4.0f);
    g.adversary.parameters().set_values(g.queue, start);
    Arena arena(g.queue);
    Tape tape(arena, g.adversary.parameters());
    tape.begin_step();
    g.adversary.learn(tape, g.at(g.values), g.labels(), g.offset.view());
    tape.backward();
    return g.adversary.parameters().gradients().get(g.queue);
  };
  const std::vector<float> of_both = gradient(penalised), of_loss = gradient(plain);
  Parameters& p = penalised.adversary.parameters();
  const std::vector<float> values = p.values().get(penalised.queue);
  auto slope = [&] {
    const auto z = penalised.at(penalised.values);
    return 2 * (penalised.adversary.mean_square_slope(z, 0, penalised.offset.view()) +
                penalised.adversary.mean_square_slope(z, 1, penalised.offset.view()));
  };
  ASSERT_GT(slope(), 1e-3);
  for (std::uint64_t direction = 0; direction < 6; ++direction) {
    std::vector<float> d(values.size());
    normal_row(9, direction, 0, d.data(), d.size());
    for (const auto& s : p.segments())
      for (std::size_t k = 0; s.settings.frozen && k < s.size(); ++k) d[s.begin + k] = 0;
    double along = 0;
    for (std::size_t k = 0; k < d.size(); ++k)
      along += static_cast<double>(d[k]) * static_cast<double>(of_both[k] - of_loss[k]);
    auto at = [&](float h) {
      std::vector<float> moved = values;
      for (std::size_t k = 0; k < d.size(); ++k) moved[k] += h * d[k];
      p.set_values(penalised.queue, moved);
      return slope();
    };
    const float h = 1e-3f;
    const double difference = (at(h) - at(-h)) / (2 * static_cast<double>(h));
    EXPECT_NEAR(along, difference, .02 * std::abs(difference) + .01 * slope()) << direction;
  }
}

}  // namespace
}  // namespace perturbine

// The operations of a variational autoencoder on the tape: a small network over all of them against differences of its
// own loss.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops/ops.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  std::vector<float> v(n);
  normal_row(seed, 0, 0, v.data(), n);
  return v;
}

enum class Decoder { negative_binomial, zero_inflated, log_normal, gaussian };

struct Autoencoder {
  static constexpr std::size_t rows = 20, in = 6, width = 5, genes = 9, entries = 3, classes = 4, half = 6;
  Decoder decoder;
  Queue queue{Device::cpu, {.threads = 2}};
  Parameters parameters;
  Arena arena{queue};
  Tape tape{arena, parameters};
  Parameter mean_w, mean_b, spread_w, spread_b, out_w, out_b, zero_w, zero_b, class_w, class_b, log_theta, prior, table,
      mask, dose_parameters;
  Buffer<float> x, row_weight, library, one, dose, set_weight, gammas, same, cross, strength, values;
  Buffer<std::int32_t> offsets, index, member_row, label, row_offsets, columns;
  Buffer<std::uint64_t> draw;

  explicit Autoencoder(Decoder d) : decoder(d) {
    auto add = [&](const char* name, std::size_t r, std::size_t c, Initial i = Initial::uniform_fan_in) {
      return parameters.add(name, r, c, i);
    };
    mean_w = add("mean_w", width, in), mean_b = add("mean_b", 1, width);
    spread_w = add("spread_w", width, in), spread_b = add("spread_b", 1, width);
    out_w = add("out_w", genes, 2 * width), out_b = add("out_b", 1, genes);
    zero_w = add("zero_w", genes, width), zero_b = add("zero_b", 1, genes);
    class_w = add("class_w", classes, width), class_b = add("class_b", 1, classes);
    log_theta = add("log_theta", 1, genes), prior = add("prior", 1, width);
    table = add("table", entries, width), mask = add("mask", entries, width);
    dose_parameters = add("dose_parameters", entries, 2);
    parameters.allocate(queue, 4);
    std::vector<float> d1, w, s(half, .3f), c(half, -.4f), v;
    std::vector<std::int32_t> o{0}, idx, row, l, r{0}, col;
    for (std::size_t i = 0; i < rows; ++i) {
      d1.push_back(.25f * static_cast<float>(i % 7));
      idx.push_back(static_cast<std::int32_t>(i % entries)), row.push_back(static_cast<std::int32_t>(i));
      w.push_back(i < half ? 0.0f : 1.0f), o.push_back(static_cast<std::int32_t>(i + 1));
      l.push_back(static_cast<std::int32_t>(i % (classes + 1)) - 1);
      for (std::size_t j = i % 3; j < genes; j += 2 + i % 2)
        col.push_back(static_cast<std::int32_t>(j)), v.push_back(static_cast<float>(1 + (i + j) % 5));
      r.push_back(static_cast<std::int32_t>(col.size()));
    }
    x = Buffer<float>(queue, normals(rows * in, 1));
    row_weight = Buffer<float>(queue, std::vector<float>(rows, 1.0f / rows));
    library = Buffer<float>(queue, std::vector<float>(rows, 3));
    one = Buffer<float>(queue, std::vector<float>{1});
    dose = Buffer<float>(queue, d1), set_weight = Buffer<float>(queue, w);
    gammas = Buffer<float>(queue, std::vector<float>{.1f, .5f});
    same = Buffer<float>(queue, s), cross = Buffer<float>(queue, c);
    strength = Buffer<float>(queue, std::vector<float>{2});
    offsets = Buffer<std::int32_t>(queue, o), index = Buffer<std::int32_t>(queue, idx);
    member_row = Buffer<std::int32_t>(queue, row), label = Buffer<std::int32_t>(queue, l);
    row_offsets = Buffer<std::int32_t>(queue, r), columns = Buffer<std::int32_t>(queue, col);
    values = Buffer<float>(queue, v);
    draw = Buffer<std::uint64_t>(queue, std::vector<std::uint64_t>{7});
  }

  double loss() {
    tape.begin_step();
    const Var in_x = tape.constant(x.matrix(rows, in));
    const Var mean = ops::linear(tape, in_x, mean_w, mean_b), spread = ops::linear(tape, in_x, spread_w, spread_b);
    const ops::Sets sets{offsets.view(), index.view(), member_row.view(), set_weight.view()};
    const Var masked = ops::multiply(tape, ops::set_embedding(tape, table, sets, rows),
                                     ops::sigmoid(tape, ops::set_embedding(tape, mask, sets, rows)));
    const Var shift = ops::dose_scale(tape, masked, ops::set_embedding(tape, dose_parameters, sets, rows), dose.view(),
                                      DoseCurve::sigmoid);
    const Var z = ops::reparameterise(tape, mean, spread, draw.view(), 3);
    const auto divergence =
        ops::gaussian_divergence(tape, mean, spread, shift, ops::parameter(tape, prior), row_weight.view());
    const auto entropy =
        ops::softmax_cross_entropy(tape, ops::linear(tape, z, class_w, class_b), label.view(), row_weight.view());
    const ops::Comparison comparison{mean, z, 1, half, 12, half, gammas.view(), same.view(), same.view(), cross.view()};
    const auto sums = ops::compare_sets(tape, comparison);
    const auto dependence = ops::independence(tape, z, shift, .2f, .7f, strength.view());
    const Var logits = ops::linear(tape, ops::concatenate(tape, {z, ops::add(tape, z, shift)}), out_w, out_b);
    const CsrView<float> cells{row_offsets.view(), columns.view(), values.view(), rows, genes};
    VectorView<float> likelihood;
    const bool zeros = decoder == Decoder::zero_inflated || decoder == Decoder::log_normal;
    const Var zero = zeros ? ops::linear(tape, z, zero_w, zero_b) : Var{};
    if (decoder == Decoder::negative_binomial || decoder == Decoder::zero_inflated) {
      const Var rate = ops::library_rate(tape, logits, library.view(), decoder == Decoder::zero_inflated);
      const Var theta = ops::library_rate(tape, ops::parameter(tape, log_theta), one.view(), false);
      likelihood = ops::count_likelihood(tape, cells, rate, zeros ? &zero : nullptr, theta, row_weight.view());
    } else {
      likelihood = ops::value_likelihood(tape, cells, logits, zeros ? &zero : nullptr, ops::parameter(tape, log_theta),
                                         row_weight.view());
    }
    tape.backward();
    double sum = 2 * static_cast<double>(dependence[0]);
    for (std::size_t i = 0; i < rows; ++i)
      sum += static_cast<double>(divergence[i] + entropy[i] + likelihood[i]) / rows;
    for (std::size_t i = 0; i < half; ++i)
      sum += .3 * static_cast<double>(sums.same_x[i] + sums.same_y[i]) - .4 * static_cast<double>(sums.cross[i]);
    return sum;
  }
};

void check(Decoder decoder) {
  Autoencoder net(decoder);
  net.loss();
  const std::vector<float> gradient = net.parameters.gradients().get(net.queue),
                           values = net.parameters.values().get(net.queue);
  int checked = 0;
  for (std::size_t p = 0; p < net.parameters.segments().size(); ++p) {
    const auto& s = net.parameters.segments()[p];
    if (!net.parameters.written(Parameter{p})) continue;
    for (std::size_t k = 0; k < s.size(); k += std::max<std::size_t>(1, s.size() / 6)) {
      std::vector<float> moved = values;
      const float h = 5e-3f;
      auto at = [&](float shift) {
        moved[s.begin + k] = values[s.begin + k] + shift;
        net.parameters.set_values(net.queue, moved);
        return net.loss();
      };
      const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * static_cast<double>(h));
      EXPECT_NEAR(slope, gradient[s.begin + k], 2e-3 + 3e-3 * std::abs(slope)) << s.name << "[" << k << "]";
      ++checked;
    }
  }
  EXPECT_GT(checked, 55);
}

TEST(LatentOperations, GradientsAgreeWithDifferencesNegativeBinomial) { check(Decoder::negative_binomial); }
TEST(LatentOperations, GradientsAgreeWithDifferencesZeroInflated) { check(Decoder::zero_inflated); }
TEST(LatentOperations, GradientsAgreeWithDifferencesLogNormal) { check(Decoder::log_normal); }
TEST(LatentOperations, GradientsAgreeWithDifferencesGaussian) { check(Decoder::gaussian); }

TEST(LatentOperations, AReversedGradientChangesItsSign) {
  Autoencoder net(Decoder::gaussian);
  auto gradient = [&](bool reversed) {
    net.tape.begin_step();
    Var y = ops::linear(net.tape, net.tape.constant(net.x.matrix(net.rows, net.in)), net.mean_w, net.mean_b);
    if (reversed) y = ops::reverse_gradient(net.tape, y, .5f);
    const auto zero = net.arena.matrix<float>(net.rows, net.width);
    for (std::size_t i = 0; i < net.rows; ++i) std::fill_n(zero.row(i), net.width, 0.0f);
    ops::squared_error_loss(net.tape, y, zero, net.row_weight.view());
    net.tape.backward();
    return net.parameters.gradient(net.mean_w)(1, 2);
  };
  const float plain = gradient(false);
  EXPECT_NE(plain, 0);
  EXPECT_FLOAT_EQ(gradient(true), -.5f * plain);
}

}  // namespace
}  // namespace perturbine

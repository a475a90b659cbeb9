#include "models/latent_adversary.h"

#include "kernels/pointwise/pointwise.h"

namespace perturbine {
namespace {

// Of the central difference, times g: far above float's rounding, far below the curvature of batch norm.
constexpr float step = .01f;

}  // namespace

LatentAdversary::LatentAdversary(Queue& queue, std::size_t rows, std::size_t latent,
                                 const std::vector<std::size_t>& classes, const Settings& s, std::uint64_t seed)
    : settings_(s),
      seed_(seed),
      fooled_arena_(queue),
      slope_arena_(queue),
      fooled_(fooled_arena_, parameters_),
      slope_(slope_arena_, parameters_) {
  for (std::size_t k = 0; k < classes.size(); ++k) {
    Classifier c;
    c.stream = 100 * (k + 1);
    const std::string name = "adversary." + std::to_string(k + 1);
    for (std::size_t l = 0; l < s.layers; ++l)
      c.layers.push_back(add_normalised_layer(parameters_, name + "." + std::to_string(l + 1), s.hidden,
                                              l == 0 ? latent : s.hidden, 0, s.parameters));
    const std::size_t width = s.layers == 0 ? latent : s.hidden;
    c.out_weight = parameters_.add(name + ".out.weight", classes[k], width, Initial::uniform_fan_in, s.parameters);
    c.out_bias = parameters_.add(name + ".out.bias", 1, classes[k], Initial::zero, s.parameters);
    const float weight = s.penalty / (static_cast<float>(rows * latent) * step);
    c.ones = Buffer<float>(queue, std::vector<float>(rows * classes[k], 1));
    c.above = Buffer<float>(queue, std::vector<float>(rows * classes[k], weight));
    c.below = Buffer<float>(queue, std::vector<float>(rows * classes[k], -weight));
    classifiers_.push_back(std::move(c));
  }
  parameters_.allocate(queue, seed);
  fooled_.freeze_parameters(), slope_.freeze_parameters();
}

Var LatentAdversary::logits(Tape& t, Var z, const Classifier& c, VectorView<const std::uint64_t> offset) const {
  const DropoutNoise noise{offset, seed_ ^ 0xad7eull, settings_.dropout};
  std::uint64_t stream = c.stream;
  for (const NormalisedLayer& l : c.layers) z = normalised_layer(t, z, l, &noise, stream++);
  return ops::linear(t, z, c.out_weight, c.out_bias);
}

MatrixView<const float> LatentAdversary::gradient(MatrixView<const float> z, const std::vector<Labels>& labels,
                                                  VectorView<const std::uint64_t> offset) {
  fooled_.begin_step();
  const Var in = fooled_.input(z);
  for (std::size_t k = 0; k < classifiers_.size(); ++k)
    ops::softmax_cross_entropy(fooled_, logits(fooled_, in, classifiers_[k], offset), labels[k].label,
                               labels[k].row_weight);
  fooled_.backward();
  return fooled_.gradient(in);
}

std::vector<MatrixView<const float>> LatentAdversary::slopes(MatrixView<const float> z,
                                                             VectorView<const std::uint64_t> offset) {
  slope_.begin_step();
  std::vector<Var> in;
  for (const Classifier& c : classifiers_) {
    in.push_back(slope_.input(z));
    const Var out = logits(slope_, in.back(), c, offset);
    slope_.seed_gradient(out, c.ones.matrix(z.rows, slope_.value(out).columns));
  }
  slope_.backward();
  std::vector<MatrixView<const float>> out;
  for (const Var v : in) out.push_back(slope_.gradient(v));
  return out;
}

std::vector<VectorView<float>> LatentAdversary::learn(Tape& tape, MatrixView<const float> z,
                                                      const std::vector<Labels>& labels,
                                                      VectorView<const std::uint64_t> offset) {
  std::vector<VectorView<float>> losses;
  const auto slope = slopes(z, offset);
  for (std::size_t k = 0; k < classifiers_.size(); ++k) {
    const Classifier& c = classifiers_[k];
    losses.push_back(ops::softmax_cross_entropy(tape, logits(tape, tape.constant(z), c, offset), labels[k].label,
                                                labels[k].row_weight));
    if (settings_.penalty == 0) continue;
    for (const auto& [side, weight] : {std::pair{step, &c.above}, std::pair{-step, &c.below}}) {
      const MatrixView<float> moved = tape.arena().matrix<float>(z.rows, z.columns);
      tape.queue().run(Combine<float>{z, slope[k], moved, 1, side});
      const Var out = logits(tape, tape.constant(moved), c, offset);
      tape.seed_gradient(out, weight->matrix(z.rows, tape.value(out).columns));
    }
  }
  return losses;
}

double LatentAdversary::mean_square_slope(MatrixView<const float> z, std::size_t k,
                                          VectorView<const std::uint64_t> offset) {
  const MatrixView<const float> g = slopes(z, offset)[k];
  std::vector<float> values(g.rows * g.columns);
  slope_.queue().read(values.data(), g.data, values.size() * sizeof(float));
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum / static_cast<double>(values.size());
}

}  // namespace perturbine

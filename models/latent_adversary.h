// Classifiers that try to tell cells' labels from a latent space, for an encoder that learns to fool them.
#pragma once
#include <vector>

#include "models/normalised_layer.h"

namespace perturbine {

/// One classifier a label: hidden layers (linear, batch norm, ReLU, dropout) and a linear one. Each learns the
/// cross-entropy of its labels plus `penalty` times the mean square of the gradient of the sum of its logits in z
/// (Lotfollahi et al., CPA, Mol Syst Biol 19:e11517, 2023; without it a classifier outruns the encoder).
class LatentAdversary {
 public:
  struct Settings {
    std::size_t hidden = 64, layers = 3;
    float dropout = .1f, penalty = 1;
    ParameterSettings parameters;
  };
  /// For batches of `rows` cells; `classes` of each label.
  LatentAdversary(Queue& queue, std::size_t rows, std::size_t latent, const std::vector<std::size_t>& classes,
                  const Settings& settings, std::uint64_t seed);
  Parameters& parameters() { return parameters_; }
  std::size_t classifiers() const { return classifiers_.size(); }

  /// One label of the cells of a batch; the loss is the weighted sum of their cross-entropies.
  struct Labels {
    VectorView<const std::int32_t> label;
    VectorView<const float> row_weight;
  };
  /// Gradient in z [rows, latent] of the sum of all labels' losses. Valid until the next call.
  MatrixView<const float> gradient(MatrixView<const float> z, const std::vector<Labels>& labels,
                                   VectorView<const std::uint64_t> offset);
  /// The losses and penalties, on a tape over parameters(). The penalty's gradient in the parameters w needs second
  /// derivatives: with g = d logits / d z held fixed, grad_w |g|^2 = 2 grad_w (g . d logits / d z), and that
  /// derivative along g is a central difference of logits. Returns the memory of the rows' cross-entropies, which
  /// backward() fills, one a label.
  std::vector<VectorView<float>> learn(Tape& tape, MatrixView<const float> z, const std::vector<Labels>& labels,
                                       VectorView<const std::uint64_t> offset);
  /// Mean square of the gradient of the sum of classifier k's logits in z: what is penalised.
  double mean_square_slope(MatrixView<const float> z, std::size_t k, VectorView<const std::uint64_t> offset);

 private:
  struct Classifier {
    std::vector<NormalisedLayer> layers;
    Parameter out_weight, out_bias;
    std::uint64_t stream = 0;
    Buffer<float> ones, above, below;  // [rows, classes]
  };
  Var logits(Tape& tape, Var z, const Classifier& c, VectorView<const std::uint64_t> offset) const;
  /// Gradients of the sums of logits in z, one a classifier.
  std::vector<MatrixView<const float>> slopes(MatrixView<const float> z, VectorView<const std::uint64_t> offset);

  Settings settings_;
  std::uint64_t seed_;
  Parameters parameters_;
  std::vector<Classifier> classifiers_;
  Arena fooled_arena_, slope_arena_;  // each its own: captured steps use both
  Tape fooled_, slope_;
};

}  // namespace perturbine

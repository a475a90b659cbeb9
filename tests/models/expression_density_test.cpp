// Bits a gene of whole cells: against the dense Gaussian they stand for, and lower where the model is right.
#include "models/expression_density.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/backbone.h"
#include "toy.h"

namespace perturbine {
using namespace testing_models;
namespace {

Backbone fitted(Queue& queue, const TrainingData& data) {
  TrainingOptions options = quick();
  options.latent = 6;  // fewer than genes: something is left out
  Backbone model;
  model.fit(queue, data, options, {});
  return model;
}

// Log density of a Gaussian with a dense covariance [n, n], by elimination.
double dense_log_density(std::vector<double> covariance, std::vector<double> x) {
  const std::size_t n = x.size();
  double log_p = -.5 * static_cast<double>(n) * std::log(2 * M_PI);
  for (std::size_t k = 0; k < n; ++k) {  // L D L': x becomes inv(L) x
    const double pivot = covariance[k * n + k];
    log_p -= .5 * (std::log(pivot) + x[k] * x[k] / pivot);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = covariance[i * n + k] / pivot;
      x[i] -= factor * x[k];
      for (std::size_t j = k; j < n; ++j) covariance[i * n + j] -= factor * covariance[k * n + j];
    }
  }
  return log_p;
}

TEST(BitsPerGene, AreThoseOfADenseGaussianForTheBackbone) {
  Queue queue(test_device(), {.threads = 1});
  const TrainingData data = toy();
  const Backbone model = fitted(queue, data);
  const LatentSpace& space = model.space();
  const std::size_t G = data.genes, K = space.width();
  ASSERT_LT(K, G);
  const Query q{parse_condition("A"), 0};
  const std::vector<double> mean = model.mean(q);
  std::vector<double> covariance(G * G, 0);
  for (std::size_t g = 0; g < G; ++g) covariance[g * G + g] = space.left_out_variance;
  for (std::size_t k = 0; k < K; ++k)
    for (std::size_t g = 0; g < G; ++g)
      for (std::size_t h = 0; h < G; ++h)
        covariance[g * G + h] += (space.residual_variance[k] - space.left_out_variance) *
                                 space.components.components(k, g) * space.components.components(k, h);
  const std::vector<float> cells(data.row(60), data.row(64));
  const auto bits = bits_per_gene(queue, model, space, q, cells, {});
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<double> x(G);
    for (std::size_t g = 0; g < G; ++g) x[g] = static_cast<double>(cells[i * G + g]) - mean[g];
    EXPECT_NEAR(bits[i], -dense_log_density(covariance, x) / (static_cast<double>(G) * std::log(2)), 1e-4) << i;
  }
}

TEST(BitsPerGene, AreFewestUnderTheCellsOwnConditionAndVariance) {
  Queue queue(test_device(), {.threads = 1});
  const TrainingData data = toy();
  const Backbone model = fitted(queue, data);
  const Query own{parse_condition("A"), 0}, other{parse_condition("control"), 0};
  std::vector<float> cells;
  for (std::size_t i = 0; i < data.cells(); ++i)
    if (data.conditions[static_cast<std::size_t>(data.condition[i])] == own.condition && data.context[i] == 0)
      cells.insert(cells.end(), data.row(i), data.row(i) + data.genes);
  auto mean_bits = [&](const Query& q, double factor) {
    LatentSpace space = model.space();
    space.left_out_variance *= factor;
    double sum = 0;
    const auto bits = bits_per_gene(queue, model, space, q, cells, {});
    for (const double b : bits) sum += b;
    return sum / static_cast<double>(bits.size());
  };
  EXPECT_LT(mean_bits(own, 1), mean_bits(other, 1));
  EXPECT_LT(mean_bits(own, 1), mean_bits(own, 1.5));
  EXPECT_LT(mean_bits(own, 1), mean_bits(own, .6));
}

}  // namespace
}  // namespace perturbine

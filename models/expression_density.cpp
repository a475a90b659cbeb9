#include "models/expression_density.h"

#include <cmath>

namespace perturbine {

std::vector<double> bits_per_gene(Queue& queue, const Model& model, const LatentSpace& space, const Query& query,
                                  const std::vector<float>& expression, const LikelihoodOptions& options) {
  std::vector<double> log_p = model.log_likelihood(queue, query, expression, options).value;
  const std::vector<double> mean = model.predict_mean(queue, query);
  const std::size_t G = mean.size(), cells = log_p.size(), K = space.width();
  if (K < G) {
    const std::vector<float> about = about_mean(expression, mean), kept = space.coordinates(about, cells);
    const double variance = space.left_out_variance, directions = static_cast<double>(G - K);
    for (std::size_t i = 0; i < cells; ++i) {
      double outside = 0;
      for (std::size_t g = 0; g < G; ++g) outside += std::pow(static_cast<double>(about[i * G + g]), 2);
      for (std::size_t k = 0; k < K; ++k) outside -= std::pow(static_cast<double>(kept[i * K + k]), 2);
      log_p[i] -= .5 * (std::max(0.0, outside) / variance + directions * std::log(2 * M_PI * variance));
    }
  }
  for (double& v : log_p) v /= -static_cast<double>(G) * M_LN2;
  return log_p;
}

}  // namespace perturbine

#include "models/linear_map.h"

#include <algorithm>

#include "models/principal_components.h"

namespace perturbine {

LinearMap::LinearMap(const EffectTable& table, const std::vector<std::string>& gene_names, double lambda)
    : mean_(table.genes(), 0) {
  for (std::size_t g = 0; g < gene_names.size(); ++g) gene_.emplace(gene_names[g], g);
  const std::size_t G = table.genes(), N = table.rows().size();
  for (const auto& row : table.rows())
    for (std::size_t g = 0; g < G; ++g) mean_[g] += row.delta[g] / static_cast<double>(N);
  // No more components than leave something to learn from.
  const std::size_t K = std::min({std::size_t{10}, N > 1 ? N - 1 : 0, G});
  scores_ = HostMatrix(G, K), map_ = HostMatrix(K, K);
  if (K == 0) return;
  std::vector<float> changes(G * N);
  for (std::size_t c = 0; c < N; ++c)
    for (std::size_t g = 0; g < G; ++g) changes[g * N + c] = static_cast<float>(table.rows()[c].delta[g]);
  const std::vector<float> scores = project(principal_components(changes.data(), G, N, K), changes.data(), G);
  for (std::size_t i = 0; i < scores.size(); ++i) scores_.data[i] = static_cast<double>(scores[i]);

  HostMatrix P(N, K), GG(K, K), GY(K, N), PP(K, K), YP(K, K);
  for (std::size_t c = 0; c < N; ++c) {
    const auto p = position(table.rows()[c].condition);
    placed_ += std::any_of(p.begin(), p.end(), [](double v) { return v != 0; }) ? 1 : 0;
    std::copy(p.begin(), p.end(), P.row(c));
    for (std::size_t g = 0; g < G; ++g)
      for (std::size_t k = 0; k < K; ++k) GY(k, c) += scores_(g, k) * (table.rows()[c].delta[g] - mean_[g]);
  }
  for (std::size_t k = 0; k < K; ++k) {
    for (std::size_t l = 0; l < K; ++l) {
      for (std::size_t g = 0; g < G; ++g) GG(k, l) += scores_(g, k) * scores_(g, l);
      for (std::size_t c = 0; c < N; ++c) PP(k, l) += P(c, k) * P(c, l);
    }
    GG(k, k) += lambda, PP(k, k) += lambda;
  }
  const HostMatrix left = solve_symmetric(GG, GY);  // [K, N]
  for (std::size_t k = 0; k < K; ++k)
    for (std::size_t l = 0; l < K; ++l)
      for (std::size_t c = 0; c < N; ++c) YP(l, k) += left(k, c) * P(c, l);  // the transpose, for the solver
  const HostMatrix transposed = solve_symmetric(PP, YP);
  for (std::size_t k = 0; k < K; ++k)
    for (std::size_t l = 0; l < K; ++l) map_(k, l) = transposed(l, k);
}

std::vector<double> LinearMap::position(const Condition& c) const {
  std::vector<double> p(scores_.columns, 0);
  for (const auto& part : c.parts)
    if (const auto found = gene_.find(part.name); found != gene_.end())
      for (std::size_t k = 0; k < p.size(); ++k) p[k] += part.weight * scores_(found->second, k);
  return p;
}

std::vector<double> LinearMap::change(const Condition& c) const {
  std::vector<double> change = mean_;
  const auto p = position(c);
  for (std::size_t k = 0; k < p.size(); ++k) {
    double w = 0;
    for (std::size_t l = 0; l < p.size(); ++l) w += map_(k, l) * p[l];
    for (std::size_t g = 0; g < change.size(); ++g) change[g] += scores_(g, k) * w;
  }
  return change;
}

}  // namespace perturbine

#include "models/optimal_transport.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/transport/sinkhorn.h"

namespace perturbine {

Coupling coupling_named(const std::string& name) {
  if (name == "balanced") return Coupling::balanced;
  if (name == "unbalanced") return Coupling::unbalanced;
  if (name == "random") return Coupling::random;
  throw InputError(text("coupling '", name, "' is not known; choose balanced, unbalanced or random"));
}

double TransportPlan::at(std::size_t i, std::size_t j) const {
  return std::exp((static_cast<double>(f[i]) + static_cast<double>(g[j]) - static_cast<double>(cost[i * columns + j])) /
                  epsilon) /
         static_cast<double>(rows * columns);
}

TransportPlan transport_plan(Queue& queue, const std::vector<float>& x, const std::vector<float>& y, std::size_t width,
                             Coupling coupling, const TransportSettings& settings) {
  TransportPlan p;
  p.rows = x.size() / width, p.columns = y.size() / width;
  require(p.rows > 0 && p.columns > 0, "a transport plan needs cells on both sides");
  p.cost.resize(p.rows * p.columns);
  p.f.assign(p.rows, 0), p.g.assign(p.columns, 0);
  if (coupling == Coupling::random) return p;
  Cpu& cpu = queue.cpu();
  const auto cost = matrix(p.cost.data(), p.rows, p.columns);
  execute(cpu, PairwiseCost<float>{matrix(x.data(), p.rows, width), matrix(y.data(), p.columns, width), cost});
  double mean = 0;
  for (const float c : p.cost) mean += static_cast<double>(c) / static_cast<double>(p.cost.size());
  const double unit = settings.absolute ? 1 : mean;
  p.epsilon = std::max(1e-12, settings.epsilon * unit);
  const double penalty = settings.penalty * unit;
  const float damping = coupling == Coupling::unbalanced ? static_cast<float>(penalty / (penalty + p.epsilon)) : 1.0f;
  const std::vector<float> row_weight(p.rows, -std::log(static_cast<float>(p.rows))),
      column_weight(p.columns, -std::log(static_cast<float>(p.columns)));
  const float epsilon = static_cast<float>(p.epsilon);
  execute(cpu, Sinkhorn<float>{cost,
                               {row_weight.data(), p.rows},
                               {column_weight.data(), p.columns},
                               {p.f.data(), p.rows},
                               {p.g.data(), p.columns},
                               epsilon,
                               damping,
                               settings.iterations});
  return p;
}

Pairs draw_pairs(Queue& queue, const TransportPlan& p, Coupling coupling, std::size_t draws, std::uint64_t seed,
                 std::uint64_t offset) {
  Pairs pairs{std::vector<std::int32_t>(draws), std::vector<std::int32_t>(draws)};
  for (std::size_t r = 0; r < draws; ++r) pairs.first[r] = static_cast<std::int32_t>(r % p.rows);
  if (coupling == Coupling::random) {
    for (std::size_t r = 0; r < draws; ++r) pairs.second[r] = static_cast<std::int32_t>(r % p.columns);
    return pairs;
  }
  if (coupling == Coupling::unbalanced) {
    std::vector<double> upto(p.rows, 0);
    double total = 0;
    for (std::size_t i = 0; i < p.rows; ++i) {
      for (std::size_t j = 0; j < p.columns; ++j) total += p.at(i, j);
      upto[i] = total;
    }
    for (std::size_t r = 0; r < draws; ++r) {
      // Stratified: one draw from each equal share of the mass.
      const double u = (static_cast<double>(r) + static_cast<double>(uniform(philox(seed, offset, r).word[0]))) /
                       static_cast<double>(draws) * total;
      pairs.first[r] = static_cast<std::int32_t>(std::min<std::ptrdiff_t>(
          static_cast<std::ptrdiff_t>(p.rows) - 1, std::lower_bound(upto.begin(), upto.end(), u) - upto.begin()));
    }
  }
  const std::vector<float> weight(p.columns, -std::log(static_cast<float>(p.columns)));
  execute(queue.cpu(), SamplePlan<float>{matrix(p.cost.data(), p.rows, p.columns),
                                         {p.g.data(), p.columns},
                                         {weight.data(), p.columns},
                                         {pairs.first.data(), draws},
                                         {&offset, 1},
                                         {pairs.second.data(), draws},
                                         static_cast<float>(p.epsilon),
                                         seed});
  return pairs;
}

}  // namespace perturbine

#include "models/effects.h"

#include <cmath>
#include <map>

#include "models/linear_algebra.h"

namespace perturbine {

std::vector<PerturbationUncertainty> perturbation_uncertainty(const TrainingData& data) {
  std::map<std::string, std::size_t> number;
  for (const Condition& c : data.conditions)
    for (const auto& p : c.parts) number.emplace(p.name, 0);
  std::size_t next = 0;
  for (auto& [name, n] : number) n = next++;
  std::vector<double> cells(data.conditions.size(), 0);
  for (const std::int32_t c : data.condition) cells[static_cast<std::size_t>(c)] += 1;
  const std::size_t P = number.size();
  std::vector<PerturbationUncertainty> out(P);
  HostMatrix precision(P, P), identity(P, P);
  for (std::size_t c = 0; c < data.conditions.size(); ++c)
    for (const auto& a : data.conditions[c].parts) {
      out[number[a.name]].cells += static_cast<std::size_t>(cells[c]);
      for (const auto& b : data.conditions[c].parts)
        precision(number[a.name], number[b.name]) += cells[c] * a.weight * b.weight;
    }
  // Perturbations that always come together cannot be told apart: a thousandth of a cell keeps the errors finite.
  for (std::size_t p = 0; p < P; ++p) precision(p, p) += 1e-3, identity(p, p) = 1;
  const HostMatrix covariance = P == 0 ? HostMatrix() : solve_symmetric(precision, identity);
  for (const auto& [name, n] : number) {
    out[n].perturbation = name;
    out[n].factor = std::sqrt(1 / std::max(1.0, cells[0]) + covariance(n, n));
  }
  return out;
}

std::vector<double> residual_variance(const TrainingData& data) {
  std::map<std::pair<std::int32_t, std::int32_t>, std::pair<double, std::vector<double>>> groups;
  std::vector<double> variance(data.genes, 0);
  for (std::size_t i = 0; i < data.cells(); ++i) {
    auto& [count, sum] = groups[{data.condition[i], data.context[i]}];
    sum.resize(data.genes, 0);
    count += 1;
    for (std::size_t g = 0; g < data.genes; ++g) {
      const auto x = static_cast<double>(data.row(i)[g]);
      sum[g] += x, variance[g] += x * x;
    }
  }
  const double degrees = std::max(1.0, static_cast<double>(data.cells()) - static_cast<double>(groups.size()));
  for (const auto& [key, group] : groups)
    for (std::size_t g = 0; g < data.genes; ++g) variance[g] -= group.second[g] * group.second[g] / group.first;
  for (double& v : variance) v = std::max(0.0, v / degrees);
  return variance;
}

}  // namespace perturbine

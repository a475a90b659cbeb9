// The linear map from what a perturbed gene is to what its perturbation does, both in a few principal components.
#pragma once
#include <map>

#include "models/mean_model.h"

namespace perturbine {

/// With Y [genes, conditions] the training changes, b their means over conditions, G [genes, k] the scores of genes on
/// the first k = 10 principal components of Y, and P the sums of the rows of G of each condition's perturbed genes (a
/// gene that is not among the measured ones has none):
///   W = (G^T G + lambda)^-1 G^T (Y - b) P (P^T P + lambda)^-1,  change(c) = G W p_c + b,  lambda = .1
/// Source: Ahlmann-Eltze, Huber and Anders, Nat. Methods 22 (2025) 1657, equation 1.
class LinearMap {
 public:
  LinearMap(const EffectTable& table, const std::vector<std::string>& gene_names, double lambda = .1);
  std::vector<double> change(const Condition& condition) const;
  /// How many training conditions perturb a measured gene; with none the change is b.
  std::size_t placed() const { return placed_; }

 private:
  std::vector<double> position(const Condition& condition) const;
  HostMatrix scores_;  // G
  HostMatrix map_;     // W [k, k]
  std::vector<double> mean_;
  std::map<std::string, std::size_t> gene_;
  std::size_t placed_ = 0;
};

}  // namespace perturbine

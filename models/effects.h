// How sure the effect of a perturbation is, from how many cells show it.
#pragma once
#include <string>
#include <vector>

#include "models/model.h"

namespace perturbine {

/// The standard error of a perturbation's effect is `factor` times the standard deviation of cells about the mean of
/// their condition: sqrt(1 / controls + [(X^T N X)^-1]_pp), the least-squares estimate of additive effects from
/// conditions X (which perturbations, at what dose) of N cells. Where a perturbation was met in combinations alone that
/// counts them for what they can tell.
struct PerturbationUncertainty {
  std::string perturbation;
  double factor = 0;
  std::size_t cells = 0;  // of conditions with the perturbation
};
/// Of every perturbation of the training conditions, in bytewise order; contexts pooled.
std::vector<PerturbationUncertainty> perturbation_uncertainty(const TrainingData& data);

/// Variance of training cells about the mean of their condition and context, [genes].
std::vector<double> residual_variance(const TrainingData& data);

}  // namespace perturbine

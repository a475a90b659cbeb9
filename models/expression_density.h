// The likelihood of whole cells: a model's density of coordinates, and a Gaussian for what the coordinates leave out.
#pragma once
#include "models/decoder.h"

namespace perturbine {

/// Bits a gene of each cell [rows, genes] under a query: -log2 of the density of its log1p expression, divided by the
/// number of genes. The density is the model's of the coordinates in `space` times that of what lies outside, which is
/// alike for every model: independent Gaussians about the predicted mean with the variance of training residuals there
/// (probabilistic principal components, Tipping and Bishop, J. R. Stat. Soc. B 61 (1999)). A density of real values, so
/// that it may be negative, and no likelihood of counts. Throws Error for a model without likelihood.
std::vector<double> bits_per_gene(Queue& queue, const Model& model, const LatentSpace& space, const Query& query,
                                  const std::vector<float>& expression, const LikelihoodOptions& options);

}  // namespace perturbine

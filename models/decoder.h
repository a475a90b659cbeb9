// From means and latent residuals to cells with counts. Counts are Poisson around per-cell rates; per-gene factors are
// set so that the mean of log1p of the sampled cells is the predicted mean (E[log1p] of a count lies below log1p of its
// rate).
#pragma once
#include "models/model.h"
#include "models/principal_components.h"

namespace perturbine {

/// The space models work in: principal components of training cells, or the genes themselves (no components). With the
/// share of each coordinate's variance that counting noise makes up.
struct LatentSpace {
  PrincipalComponents components;
  std::vector<double> residual_variance;  // [width], of training cells about their condition means
  std::vector<double> technical_share;    // [width], in [0, 1]
  double left_out_variance = 0;           // of residuals along each direction of the genes that is no coordinate

  bool is_genes() const { return components.components.rows == 0; }
  std::size_t width() const { return residual_variance.size(); }
  /// Coordinates of deviations from a mean: [rows, genes] to [rows, width].
  std::vector<float> coordinates(const std::vector<float>& deviations, std::size_t rows) const;
  /// Coordinates [cells, width] of cells x [cells, genes] about the mean of each one's group: means [groups][genes].
  /// Nothing as large as x is made where there are components.
  std::vector<float> coordinates_about(const std::vector<float>& x, const std::vector<std::size_t>& group,
                                       const std::vector<std::vector<double>>& means) const;
};

/// Cells [rows, genes] about a mean [genes]. Throws InputError for what is not whole cells.
std::vector<float> about_mean(const std::vector<float>& expression, const std::vector<double>& mean);

/// Fits the space to training cells and estimates the technical share: the variance of log1p expression that
/// Poisson counting alone gives, projected on each component. `latent` 0: the genes. `residuals` receives the cells'
/// coordinates about the mean of their condition and context, [cells, width].
LatentSpace fit_latent_space(const TrainingData& data, std::size_t latent, std::vector<float>& residuals);

/// Variances [width] of residuals [cells, width] about the means of the cells' condition and context, unbiased.
std::vector<double> variance_about_means(const TrainingData& data, const std::vector<float>& residuals);

/// `latent` [count, width] are residuals about the mean; `mean` [genes] is what the cells' average must be. Not
/// `calibrated`: counts at the rates that the residuals give, whose average is another.
GeneratedCells decode_counts(Queue& queue, const LatentSpace& space, const std::vector<float>& latent,
                             const std::vector<double>& mean, const std::vector<double>& library_size, double shrinkage,
                             std::uint64_t seed, bool calibrated = true);

/// Cells whose rates are given: `rate` [rows, genes] expected counts of cells with these library sizes. Per-gene
/// factors bring the mean of log1p expression of the first `population` rows to `mean` [genes]; rows from `first` on
/// are drawn.
GeneratedCells draw_counts(Queue& queue, std::vector<float> rate, const std::vector<double>& mean,
                           const std::vector<double>& library_size, std::size_t population, std::size_t first,
                           std::uint64_t seed, bool calibrated = true);

}  // namespace perturbine

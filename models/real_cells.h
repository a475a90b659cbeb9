// Generated cells that are real ones: chosen, moved, thinned or reweighed. What the baselines are made of.
#pragma once
#include <vector>

#include "models/model.h"

namespace perturbine {

/// Control cells of a context; all controls where it has none.
std::vector<std::size_t> controls_of(const TrainingData& data, std::size_t context);
/// Every training cell of a context; all cells where it has none.
std::vector<std::size_t> cells_in_context(const TrainingData& data, std::size_t context);
/// Cells whose condition is one part of the query's alone, in its context (any context, where that has none).
std::vector<std::size_t> cells_of_parts(const TrainingData& data, const Query& query);

/// At most `count` of `cells` in random order, each once.
std::vector<std::size_t> some_of(const std::vector<std::size_t>& cells, std::size_t count, std::uint64_t seed);
/// The same of a context's control cells, or of its perturbed ones (of any context, where it has none).
std::vector<std::size_t> chosen_cells(const TrainingData& data, std::size_t context, bool perturbed, std::size_t count,
                                      std::uint64_t seed);
/// `count` cells drawn with replacement by weights that sum to one, one from each equal share of the weight.
std::vector<std::size_t> drawn_by_weight(const std::vector<double>& weights, std::size_t count, std::uint64_t seed);

/// These cells plus a change (or none), clipped at zero.
GeneratedCells moved_cells(const TrainingData& data, const std::vector<std::size_t>& cells,
                           const std::vector<double>& change);

/// Changes counts, gene by gene, until the mean of log1p expression over the cells is `mean`: each count is kept with
/// one probability, or counts are added (Poisson, in proportion to the library size). Expression is set from the
/// counts.
void thin_to_mean(GeneratedCells& cells, const std::vector<double>& mean, std::uint64_t seed);
/// Real cells' counts, thinned to a mean.
GeneratedCells thinned_cells(const TrainingData& data, const std::vector<std::size_t>& cells,
                             const std::vector<double>& mean, std::uint64_t seed);

/// Weights of all cells (0 outside `among`), proportional to exp(lambda . z), with lambda such that the weighted mean
/// of positions z [cells, width] is `target`: Newton's method on the convex dual, lambda held small by a ridge so that
/// a target outside the cloud gives the nearest the cloud has.
std::vector<double> tilted_weights(const std::vector<float>& positions, std::size_t width,
                                   const std::vector<float>& target, const std::vector<std::size_t>& among);

}  // namespace perturbine

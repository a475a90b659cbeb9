// Whether predicted changes fall on the same gene sets as observed ones.
#pragma once
#include <string>
#include <vector>

#include "evaluation/metrics.h"

namespace perturbine {

/// Reads gene sets (io/gene_sets.h) and keeps the measured genes of those with at
/// least five and at most half of all. Throws InputError where fewer than five sets are left, or a line cannot be read.
std::vector<GeneSet> measured_gene_sets(const std::string& path, const std::vector<std::string>& gene_names);

/// How far each set's genes stand out among all by their change: the rank-sum statistic as a standard normal deviate
/// (Wilcoxon 1945; without a correction for ties). Positive: they rise more than others.
std::vector<double> enrichment(const std::vector<GeneSet>& sets, const std::vector<double>& change);

}  // namespace perturbine

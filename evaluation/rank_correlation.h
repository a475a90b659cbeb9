// Ranks and their correlation.
#pragma once
#include <optional>
#include <vector>

namespace perturbine {

/// From 1; ties share their mean rank.
std::vector<double> ranks(const std::vector<double>& x);

/// Spearman's; none of fewer than four values, or where a value is missing or one side is all alike.
std::optional<double> rank_correlation(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace perturbine

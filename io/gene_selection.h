// Which genes tell cells apart: the variance of Pearson residuals of counts.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/counts.h"

namespace perturbine {

/// Variance of the analytic Pearson residuals of each gene (`counts.columns` values) over the given cells: with n the
/// counts of a cell and p a gene's share of all counts, mu = p n and r = (x - mu) / sqrt(mu + mu^2 / 100), clipped at
/// +-sqrt(cells). 1 for a gene of counting noise alone; 0 for one that is not seen. Expected counts are those of each
/// batch, and the variances of batches are averaged by their cells, so that a difference between batches selects
/// nothing. Source: Lause, Berens & Kobak, Genome Biology 22:258 (2021), equations 4 and 5.
std::vector<double> residual_variances(const CsrMatrix& counts, const std::vector<std::size_t>& cells,
                                       const std::vector<std::int32_t>& batch);

/// The `wanted` genes of the largest variance, rising numbers; equal ones by number.
std::vector<std::size_t> most_variable(const std::vector<double>& variances, std::size_t wanted);

/// A list of genes from a text file: one name a line, empty lines and those with # are no names.
std::vector<std::string> read_gene_list(const std::string& path);

}  // namespace perturbine

#include "io/gene_selection.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <sstream>

#include "io/file.h"
#include "kernels/core/error.h"

namespace perturbine {
namespace {

constexpr double dispersion = 100;  // theta, as in the paper

// Adds variance x cells of one batch to `sums`.
void add_batch(const CsrMatrix& counts, const std::vector<std::size_t>& cells, std::vector<double>& sums) {
  const std::size_t genes = counts.columns;
  std::vector<double> share(genes, 0.0), depth(cells.size(), 0.0);
  double total = 0;
  auto each = [&](std::size_t cell, auto&& visit) {
    for (auto k = static_cast<std::size_t>(counts.row_offsets[cell]);
         k < static_cast<std::size_t>(counts.row_offsets[cell + 1]); ++k)
      visit(static_cast<std::size_t>(counts.column_index[k]), static_cast<double>(counts.values[k]));
  };
  for (std::size_t i = 0; i < cells.size(); ++i)
    each(cells[i], [&](std::size_t gene, double x) { share[gene] += x, depth[i] += x, total += x; });
  if (total == 0) return;
  for (double& s : share) s /= total;
  const double most = std::sqrt(static_cast<double>(cells.size()));
  std::vector<double> sum(genes, 0.0), squares(genes, 0.0);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double n = depth[i];
    // As if the cell had no counts; then what its counts change.
    for (std::size_t g = 0; g < genes; ++g) {
      const double mu = share[g] * n, r = std::min(std::sqrt(mu / (1 + mu / dispersion)), most);
      sum[g] -= r, squares[g] += r * r;
    }
    each(cells[i], [&](std::size_t g, double x) {
      const double mu = share[g] * n, deviation = std::sqrt(mu + mu * mu / dispersion);
      if (deviation == 0) return;  // a stored zero of a gene without counts
      const double empty = std::min(mu / deviation, most), r = std::clamp((x - mu) / deviation, -most, most);
      sum[g] += r + empty, squares[g] += r * r - empty * empty;
    });
  }
  for (std::size_t g = 0; g < genes; ++g) sums[g] += squares[g] - sum[g] * sum[g] / static_cast<double>(cells.size());
}

}  // namespace

std::vector<double> residual_variances(const CsrMatrix& counts, const std::vector<std::size_t>& cells,
                                       const std::vector<std::int32_t>& batch) {
  std::map<std::int32_t, std::vector<std::size_t>> of_batch;
  for (const std::size_t i : cells) of_batch[batch[i]].push_back(i);
  std::vector<double> out(counts.columns, 0.0);
  for (const auto& [number, members] : of_batch) add_batch(counts, members, out);
  for (double& v : out) v = std::max(0.0, v / static_cast<double>(std::max<std::size_t>(cells.size(), 1)));
  return out;
}

std::vector<std::size_t> most_variable(const std::vector<double>& variances, std::size_t wanted) {
  std::vector<std::size_t> order(variances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return variances[a] > variances[b]; });
  order.resize(std::min(wanted, order.size()));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<std::string> read_gene_list(const std::string& path) {
  std::istringstream lines(read_text(path));
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of(" \t\r"), end = line.find_last_not_of(" \t\r");
    if (begin == line.npos || line[begin] == '#') continue;
    out.push_back(line.substr(begin, end - begin + 1));
  }
  require_input(!out.empty(), path, ": names no gene (one name a line)");
  return out;
}

}  // namespace perturbine

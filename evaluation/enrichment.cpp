#include "evaluation/enrichment.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "evaluation/rank_correlation.h"
#include "io/gene_sets.h"
#include "kernels/core/error.h"

namespace perturbine {

std::vector<GeneSet> measured_gene_sets(const std::string& path, const std::vector<std::string>& gene_names) {
  std::map<std::string, std::size_t> number;
  for (std::size_t g = 0; g < gene_names.size(); ++g) number.emplace(gene_names[g], g);
  std::vector<GeneSet> sets;
  const auto all = read_gene_sets(path);
  for (const NamedSet& named : all) {
    GeneSet set{named.name, {}};
    for (const std::string& gene : named.members)
      if (const auto found = number.find(gene); found != number.end()) set.genes.push_back(found->second);
    std::sort(set.genes.begin(), set.genes.end());
    if (set.genes.size() >= 5 && 2 * set.genes.size() <= gene_names.size()) sets.push_back(std::move(set));
  }
  require_input(sets.size() >= 5, path, ": only ", sets.size(), " of its ", all.size(),
                " gene sets have at least five of the data's genes (and at most half of them); five are needed");
  return sets;
}

std::vector<double> enrichment(const std::vector<GeneSet>& sets, const std::vector<double>& change) {
  const std::vector<double> rank = ranks(change);
  const double all = static_cast<double>(change.size());
  std::vector<double> z;
  for (const GeneSet& s : sets) {
    const double n = static_cast<double>(s.genes.size());
    double sum = 0;
    for (const std::size_t g : s.genes) sum += rank[g];
    z.push_back((sum - n * (all + 1) / 2) / std::sqrt(n * (all - n) * (all + 1) / 12));
  }
  return z;
}

}  // namespace perturbine

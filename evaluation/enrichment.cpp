#include "evaluation/enrichment.h"

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "evaluation/rank_correlation.h"
#include "io/file.h"

namespace perturbine {

std::vector<GeneSet> read_gene_sets(const std::string& path, const std::vector<std::string>& gene_names) {
  std::map<std::string, std::size_t> number;
  for (std::size_t g = 0; g < gene_names.size(); ++g) number.emplace(gene_names[g], g);
  std::vector<GeneSet> sets;
  std::istringstream in(read_text(path));
  std::size_t lines = 0;
  for (std::string line; std::getline(in, line);) {
    ++lines;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> fields(1);
    for (const char c : line)
      if (c == '\t')
        fields.emplace_back();
      else
        fields.back() += c;
    require_input(fields.size() >= 3, path, ", line ", lines,
                  ": a gene set needs a name, a description and members, separated by tabs");
    std::set<std::size_t> genes;
    for (std::size_t k = 2; k < fields.size(); ++k)
      if (const auto found = number.find(fields[k]); found != number.end()) genes.insert(found->second);
    if (genes.size() >= 5 && 2 * genes.size() <= gene_names.size())
      sets.push_back({fields[0], {genes.begin(), genes.end()}});
  }
  require_input(sets.size() >= 5, path, ": only ", sets.size(), " of its ", lines,
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

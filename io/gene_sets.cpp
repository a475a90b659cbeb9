#include "io/gene_sets.h"

#include <algorithm>
#include <sstream>

#include "io/file.h"
#include "kernels/core/error.h"

namespace perturbine {

std::vector<NamedSet> read_gene_sets(const std::string& path) {
  std::vector<NamedSet> sets;
  std::istringstream in(read_text(path));
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> fields;
    std::istringstream of(line);
    for (std::string field; std::getline(of, field, '\t');) fields.push_back(field);
    require_input(fields.size() >= 3, path, ", line ", number,
                  ": a gene set needs a name, a description and members, separated by tabs");
    NamedSet set{fields[0], {}};
    for (std::size_t k = 2; k < fields.size(); ++k)
      if (!fields[k].empty()) set.members.push_back(fields[k]);
    std::sort(set.members.begin(), set.members.end());
    set.members.erase(std::unique(set.members.begin(), set.members.end()), set.members.end());
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace perturbine

// Gene sets by name, from a .gmt file.
#pragma once
#include <string>
#include <vector>

namespace perturbine {

struct NamedSet {
  std::string name;
  std::vector<std::string> members;  // rising, each once
};

/// One set a line: name, description and members, separated by tabs; empty lines are skipped. Throws InputError naming
/// the line that cannot be read.
std::vector<NamedSet> read_gene_sets(const std::string& path);

}  // namespace perturbine

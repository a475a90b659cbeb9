#include "io/known_interactions.h"

#include <charconv>
#include <cmath>
#include <sstream>
#include <vector>

#include "io/condition.h"
#include "io/file.h"
#include "kernels/core/error.h"

namespace perturbine {

std::map<std::string, double> read_known_interactions(const std::string& path) {
  std::map<std::string, double> scores;
  std::istringstream in(read_text(path));
  std::size_t number = 0;
  bool first = true;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const char separator = line.find('\t') != std::string::npos ? '\t' : ',';
    std::vector<std::string> fields;
    std::istringstream of(line);
    for (std::string field; std::getline(of, field, separator);) fields.push_back(field);
    require_input(fields.size() == 2 || fields.size() == 3, path, ", line ", number,
                  ": an interaction is a pair (A+B, or two columns) and a score, separated by tabs or commas");
    double score = 0;
    const std::string& given = fields.back();
    const auto [end, code] = std::from_chars(given.data(), given.data() + given.size(), score);
    const bool is_number = code == std::errc{} && end == given.data() + given.size() && std::isfinite(score);
    const bool header = first && !is_number;
    first = false;
    if (header) continue;
    require_input(is_number, path, ", line ", number, ": the score '", given, "' is not a number");
    const Condition pair = parse_condition(fields.size() == 3 ? fields[0] + "+" + fields[1] : fields[0]);
    require_input(pair.parts.size() == 2, path, ", line ", number, ": '", fields[0],
                  "' is not a pair of two different perturbations");
    require_input(scores.emplace(canonical_label(pair), score).second, path, ", line ", number, ": the pair ",
                  canonical_label(pair), " is there twice");
  }
  require_input(scores.size() >= 4, path, ": has ", scores.size(),
                " interactions; at least four are needed to compare with");
  return scores;
}

}  // namespace perturbine

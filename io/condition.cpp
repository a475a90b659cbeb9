#include "io/condition.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "kernels/core/joined.h"

namespace perturbine {
namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}
std::string_view trim(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return s;
}

}  // namespace

bool is_control_name(std::string_view label, const std::vector<std::string>& control_names) {
  if (std::find(control_names.begin(), control_names.end(), label) != control_names.end()) return true;
  static const char* known[] = {"control", "ctrl", "non-targeting", "nt", "dmso", "vehicle"};
  const std::string l = lower(label);
  return std::find(std::begin(known), std::end(known), l) != std::end(known);
}

bool names_no_perturbation(std::string_view label) {
  static const char* known[] = {"unassigned", "unknown", "undetermined", "unmapped", "ambiguous",
                                "multiplet",  "doublet", "none",         "nan",      "na"};
  const std::string l = lower(label);
  return std::find(std::begin(known), std::end(known), l) != std::end(known);
}

std::string note_on_no_perturbation(std::string_view label, std::size_t cells) {
  return text(cells, " cell(s) of condition '", label, "': read as a perturbation of that name; if it is none, leave ",
              "them out (perturbine prepare --leave-out ", label, ")");
}

std::string canonical_label(const Condition& c) {
  if (c.is_control()) return std::string(control_label);
  std::string s;
  for (const auto& p : c.parts) {
    s += (s.empty() ? "" : "+") + p.name;
    if (p.weight != 1) {
      char digits[32];
      std::string weight(digits, std::to_chars(digits, digits + sizeof digits, p.weight).ptr);
      std::erase(weight, '+');  // of an exponent: 1e06 is read back, 1e+06 would be two parts
      s += ":" + weight;
    }
  }
  return s;
}

namespace {

// Of "A:0.5" the name and the weight; of anything else nothing.
std::optional<std::pair<std::string_view, double>> weighted(std::string_view part) {
  const std::size_t colon = part.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = trim(part.substr(colon + 1));
  double weight = 0;
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
  if (code != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
  return std::pair{trim(part.substr(0, colon)), weight};
}

}  // namespace

Condition parse_condition(std::string_view label, const std::vector<std::string>& control_names) {
  const std::string_view whole = trim(label);
  require_input(!whole.empty(), "a condition label is empty");
  Condition c;
  if (is_control_name(whole, control_names)) return c;
  for (std::size_t begin = 0; begin <= whole.size();) {
    const std::size_t end = std::min(whole.find('+', begin), whole.size());
    std::string_view part = trim(whole.substr(begin, end - begin));
    begin = end + 1;
    require_input(!part.empty(), "condition '", whole, "': a part between '+' is empty");
    if (is_control_name(part, control_names)) continue;
    Condition::Part p{std::string(part), 1};
    if (const auto with = weighted(part)) {
      const auto& [name, weight] = *with;
      require_input(std::isfinite(weight) && weight > 0, "condition '", whole, "': the weight of '", part,
                    "' must be a positive number");
      require_input(!name.empty() && !weighted(name), "condition '", whole, "': '", part, "' is not NAME:WEIGHT");
      if (is_control_name(name, control_names)) continue;
      p = {std::string(name), weight};
    }
    for (const auto& other : c.parts)
      require_input(other.name != p.name, "condition '", whole, "': ", p.name, " is named twice");
    c.parts.push_back(p);
  }
  std::sort(c.parts.begin(), c.parts.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return c;
}

std::map<std::string, Condition> parse_labels(const std::vector<std::string>& labels,
                                              const std::vector<std::string>& control_names,
                                              std::vector<std::string>* from_underscores,
                                              const std::vector<std::string>& known) {
  std::map<std::string, Condition> out;
  for (const std::string& label : labels)
    if (!trim(label).empty() && out.count(label) == 0) out.emplace(label, parse_condition(label, control_names));
  // Perturbations that stand alone somewhere, and labels that underscores may divide.
  std::set<std::string> alone(known.begin(), known.end());
  std::map<std::string, std::vector<std::string>> divided;
  for (const auto& [label, condition] : out) {
    if (condition.parts.size() != 1) continue;
    std::vector<std::string> parts;
    const std::string& name = condition.parts[0].name;
    bool whole = name.find('_') == name.npos || name.find(':') != name.npos;
    for (std::size_t begin = 0; begin <= name.size() && !whole;) {
      const std::size_t end = std::min(name.find('_', begin), name.size());
      const std::string part(trim(std::string_view(name).substr(begin, end - begin)));
      begin = end + 1;
      whole = part.empty();
      if (!is_control_name(part, control_names)) parts.push_back(part);
    }
    if (whole || parts.size() == 1) alone.insert(whole ? name : parts[0]);
    if (!whole && condition.parts[0].weight == 1 && std::find(known.begin(), known.end(), name) == known.end())
      divided.emplace(label, parts);
  }
  for (const auto& [label, parts] : divided) {
    const std::set<std::string> different(parts.begin(), parts.end());
    if (different.size() != parts.size() ||
        !std::all_of(parts.begin(), parts.end(), [&](const std::string& p) { return alone.count(p) != 0; }))
      continue;
    Condition c;
    for (const std::string& p : different) c.parts.push_back({p, 1});
    out[label] = c;
    if (from_underscores != nullptr) from_underscores->push_back(label);
  }
  return out;
}

std::vector<std::string> near_spellings(std::string_view wanted, const std::vector<std::string>& names,
                                        std::size_t count) {
  // Levenshtein distance without regard to case.
  auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t keep = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({keep, row[j] + 1, row[j - 1] + 1});
      }
    }
    return row[b.size()];
  };
  const std::string w = lower(wanted);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& n : names) {
    if (n.empty()) continue;
    const std::size_t d = distance(w, lower(n));
    if (d <= std::max<std::size_t>(2, w.size() / 2)) ranked.emplace_back(d, n);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> out;
  for (const auto& [d, n] : ranked)
    if (out.size() < count) out.push_back(n);
  return out;
}

std::string note_on_spelling(std::string_view wanted, const std::vector<std::string>& names) {
  const auto near = near_spellings(wanted, names);
  return near.empty() ? "" : "; near spellings: " + joined(near);
}

}  // namespace perturbine

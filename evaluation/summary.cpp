// Means over conditions with bootstrap intervals, and differences to the backbone of the same condition.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "evaluation/benchmark.h"
#include "kernels/core/philox.h"

namespace perturbine {

Interval bootstrap(const std::vector<std::pair<std::string, double>>& values, std::uint64_t seed) {
  std::map<std::string, std::pair<double, double>> sums;  // per condition: sum and count
  double total = 0;
  for (const auto& [condition, v] : values) {
    sums[condition].first += v;
    sums[condition].second += 1;
    total += v;
  }
  Interval r;
  r.n = values.size();
  if (values.empty()) return {std::nan(""), std::nan(""), std::nan(""), 0};
  r.mean = total / static_cast<double>(values.size());
  std::vector<std::pair<double, double>> groups;
  for (const auto& [c, s] : sums) groups.push_back(s);
  if (groups.size() == 1) {  // one condition says nothing of others: what is left to vary are the seeds
    groups.clear();
    for (const auto& [c, v] : values) groups.emplace_back(v, 1);
    if (groups.size() == 1) {
      r.low = r.high = std::nan("");
      return r;
    }
  }
  std::vector<double> means;
  for (std::uint64_t b = 0; b < 1000; ++b) {
    double s = 0, n = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const auto& g =
          groups[static_cast<std::size_t>((std::uint64_t{philox(seed, b, i).word[0]} * groups.size()) >> 32)];
      s += g.first, n += g.second;
    }
    means.push_back(s / n);
  }
  std::sort(means.begin(), means.end());
  r.low = means[25], r.high = means[974];
  return r;
}

void summarise(BenchmarkResults& r) {
  // What rounding leaves of two equal numbers is no difference.
  auto difference = [](double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b) ? 0 : a - b; };
  std::set<std::string> groups{"all"};
  for (const ResultRow& row : r.rows)
    if (!row.group.empty()) groups.insert(row.group);
  r.groups.assign(groups.begin(), groups.end());
  auto key = [](const ResultRow& row) { return row.fold + "|" + row.condition + "|" + row.context; };
  // One pass: values by (model, group, metric).
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<const ResultRow*>> table;
  for (const ResultRow& row : r.rows) {
    if (row.value.status == "not-applicable") continue;
    table[{row.model, "all", row.value.metric}].push_back(&row);
    if (!row.group.empty()) table[{row.model, row.group, row.value.metric}].push_back(&row);
  }
  const std::vector<const ResultRow*> none;
  auto rows_of = [&](const std::string& model, const std::string& group,
                     const std::string& metric) -> const std::vector<const ResultRow*>& {
    const auto found = table.find({model, group, metric});
    return found == table.end() ? none : found->second;
  };
  for (const std::string& model : r.models)
    for (const std::string& group : r.groups)
      for (const std::string& metric : metric_names()) {
        std::vector<std::pair<std::string, double>> values;
        for (const ResultRow* row : rows_of(model, group, metric)) values.emplace_back(key(*row), row->value.value);
        if (values.empty()) continue;
        r.summary.push_back({model, group, metric, bootstrap(values, 1)});
        if (model == "backbone" || model == "replicate" || model == "true-sampler") continue;
        // Paired by condition and seed; a baseline without seeds is the same for each.
        std::map<std::string, std::pair<double, double>> base;
        for (const ResultRow* row : rows_of("backbone", group, metric)) {
          auto& b = base[key(*row)];
          b.first += row->value.value, b.second += 1;
        }
        std::vector<std::pair<std::string, double>> differences;
        for (const ResultRow* row : rows_of(model, group, metric))
          if (const auto found = base.find(key(*row)); found != base.end())
            differences.emplace_back(key(*row),
                                     difference(row->value.value, found->second.first / found->second.second));
        if (!differences.empty()) r.paired.push_back({model, group, metric, bootstrap(differences, 2)});
      }
}

}  // namespace perturbine

// The results in plain words.
#include <cmath>

#include "evaluation/report_parts.h"

namespace perturbine {
namespace {

std::string list_of(const std::vector<std::string>& names) {
  std::string s;
  for (std::size_t i = 0; i < names.size(); ++i) s += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return s;
}

// The models with the least bad mean of a metric over all conditions, ties included; ceilings are no models.
std::vector<std::string> best(const BenchmarkResults& r, const std::string& metric) {
  std::vector<std::string> names;
  double least = 0;
  for (const std::string& m : r.models) {
    const Interval* i = is_ceiling(m) ? nullptr : find(r, m, "all", metric);
    if (i == nullptr || !std::isfinite(i->mean)) continue;
    const double b = badness(metric, i->mean);
    if (names.empty() || b < least - 1e-6 * std::abs(least))
      names = {m}, least = b;
    else if (b <= least + 1e-6 * std::abs(least))
      names.push_back(m);
  }
  return names;
}

std::string value(const BenchmarkResults& r, const std::string& model, const std::string& metric) {
  const Interval* i = find(r, model, "all", metric);
  return i == nullptr ? "-" : short_number(i->mean);
}

const char* plain(const std::string& metric) {
  return metric == "energy_distance" ? "energy distance"
         : metric == "rbf_mmd"       ? "MMD"
         : metric == "wasserstein1"  ? "Wasserstein distance"
         : metric == "crps"          ? "CRPS"
                                     : "error of the mean";
}

}  // namespace

std::string best_trained(const BenchmarkResults& r) {
  std::string name;
  double least = 0;
  for (const std::string& m : r.models) {
    const Interval* i = builds_on_backbone(m) ? find(r, m, "all", "energy_distance") : nullptr;
    if (i != nullptr && (name.empty() || i->mean < least)) name = m, least = i->mean;
  }
  return name;
}

std::vector<std::string> verdict(const BenchmarkResults& r) {
  std::vector<std::string> s;
  const auto mean = best(r, "l2");
  if (mean.empty()) return s;
  std::string line = "The mean change of held-out conditions is best predicted by " + list_of(mean) + ": L2 " +
                     value(r, mean[0], "l2");
  for (const char* other : {"no-change", "additive"})
    if (find(r, other, "all", "l2") != nullptr && mean[0] != other)
      line += text(", ", value(r, other, "l2"), " for ", other);
  s.push_back(line + ".");
  const auto cells = best(r, "energy_distance"), genes = best(r, "crps");
  if (!cells.empty()) {
    line = "Of generated cells, those of " + list_of(cells) + " are nearest to the real ones (energy distance " +
           value(r, cells[0], "energy_distance");
    for (const char* ceiling : {"replicate", "true-sampler"})
      if (find(r, ceiling, "all", "energy_distance") != nullptr)
        line += text("; ", std::string(ceiling) == "replicate" ? "half the real cells" : "the simulator itself", " ",
                     value(r, ceiling, "energy_distance"));
    line += "), and gene by gene those of " + list_of(genes) + " (CRPS " +
            value(r, genes.empty() ? "" : genes[0], "crps") + ").";
    s.push_back(line);
  }
  // Was a network worth its training?
  std::vector<std::string> gains;
  bool compared = false;
  for (const std::string& m : r.models) {
    if (!is_trainable(m)) continue;
    std::vector<std::string> better, worse;
    for (const char* metric : {"l2", "energy_distance", "rbf_mmd", "wasserstein1", "crps"})
      if (const Interval* d = find_paired(r, m, "all", metric)) {
        compared = true;
        const int sign = beyond_interval(metric, *d);
        if (sign > 0) better.emplace_back(plain(metric));
        if (sign < 0) worse.emplace_back(plain(metric));
      }
    if (!better.empty())
      gains.push_back(m + " in " + list_of(better) +
                      (worse.empty() ? "" : " (and is worse in " + list_of(worse) + ")"));
    else if (!worse.empty())
      gains.push_back("but " + m + " is worse in " + list_of(worse));
  }
  if (compared) {
    bool any = false;
    std::string won, lost;
    for (const std::string& g : gains) {
      const bool loss = g.starts_with("but ");
      any = any || !loss;
      std::string& to = loss ? lost : won;
      to += (to.empty() ? "" : "; ") + (loss ? g.substr(4) : g);
    }
    s.push_back(
        any ? "Paired by condition and beyond the 95 % interval, trained models beat the backbone (no network): " +
                  won + "."
            : "No trained model beats the backbone (no network) beyond its 95 % interval in the mean, energy distance, "
              "MMD, Wasserstein distance or CRPS: use the backbone.");
    if (!lost.empty()) s.push_back("Beyond it, " + lost + ".");
  }
  // Where a simple baseline is best.
  std::vector<std::string> wins;
  for (const std::string& metric : main_metrics()) {
    const auto names = best(r, metric);
    if (!names.empty() && !builds_on_backbone(names[0])) wins.push_back(names[0] + " in " + metric);
  }
  if (!wins.empty()) s.push_back("Simple baselines are best in: " + list_of(wins) + ".");
  const std::string model = best_trained(r);
  if (const Interval* c = model.empty() ? nullptr : find(r, model, "all", "coverage_90"))
    s.push_back(text("The 90 % intervals of cells of ", model, " hold ", std::lround(100 * c->mean),
                     " % of the real values, ",
                     find(r, model, "all", "coverage_90_de20") == nullptr
                         ? ""
                         : text("and ", std::lround(100 * find(r, model, "all", "coverage_90_de20")->mean),
                                " % on the genes that changed most"),
                     "."));
  return s;
}

}  // namespace perturbine

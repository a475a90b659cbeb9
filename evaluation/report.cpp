// The results as files: JSON, CSV and a terminal table. The page: report_html.cpp.
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "evaluation/report_parts.h"

namespace perturbine {
namespace {

using Json = nlohmann::ordered_json;

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

std::string csv_cell(const std::string& s) {
  std::string body = s;
  if (!body.empty() && std::string("=+-@").find(body[0]) != std::string::npos) body = "'" + body;  // no formulas
  if (body.find_first_of(",\"\n\r") == std::string::npos) return body;
  std::string quoted = "\"";
  for (const char c : body) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string metrics_json(const BenchmarkResults& r, const std::string& device, int threads) {
  Json j;
  j["schema"] = "perturbine.metrics/1";
  j["data"] = {{"path", r.data_path}, {"sha256", r.data_sha256}, {"simulated", r.simulated}};
  j["run"] = {
      {"seeds", r.seeds}, {"version", "0.1.0"}, {"device", device}, {"threads", threads}, {"seconds", r.seconds}};
  j["conventions"] = {{"mean", r.mean_source},
                      {"expression", "log1p(10000 * count / library size)"},
                      {"library_size", r.library_size_source},
                      {"control_mean", "real file, both sides"},
                      {"generated_cells", r.cells > 0 ? Json(r.cells) : Json("as in the file")},
                      {"real_cells", "all for means, at most 400 for everything else"},
                      {"undefined_correlation", 0}};
  j["rows"] = Json::array();
  for (const ResultRow& row : r.rows)
    j["rows"].push_back({{"model", row.model},
                         {"seed", row.seed},
                         {"fold", row.fold},
                         {"group", row.group},
                         {"condition", row.condition},
                         {"context", row.context},
                         {"metric", row.value.metric},
                         {"value", number(row.value.value)},
                         {"status", row.value.status}});
  j["summary"] = Json::array();
  for (const SummaryRow& s : r.summary)
    j["summary"].push_back({{"model", s.model},
                            {"group", s.group},
                            {"metric", s.metric},
                            {"mean", number(s.interval.mean)},
                            {"ci_low", number(s.interval.low)},
                            {"ci_high", number(s.interval.high)},
                            {"n", s.interval.n}});
  j["paired"] = Json::array();
  for (const PairedRow& p : r.paired)
    j["paired"].push_back({{"model", p.model},
                           {"against", "backbone"},
                           {"group", p.group},
                           {"metric", p.metric},
                           {"difference", number(p.difference.mean)},
                           {"ci_low", number(p.difference.low)},
                           {"ci_high", number(p.difference.high)}});
  return j.dump(1) + "\n";
}

std::string metrics_csv(const BenchmarkResults& r) {
  std::string s = "model,seed,fold,group,condition,context,metric,value,status\n";
  for (const ResultRow& row : r.rows) {
    char value[40];
    std::snprintf(value, sizeof value, "%.9g", row.value.value);
    s += csv_cell(row.model) + "," + std::to_string(row.seed) + "," + csv_cell(row.fold) + "," + csv_cell(row.group) +
         "," + csv_cell(row.condition) + "," + csv_cell(row.context) + "," + row.value.metric + "," +
         (std::isfinite(row.value.value) ? value : "") + "," + row.value.status + "\n";
  }
  return s;
}

// One line of the terminal's table: a name and a cell for each main metric.
template <class Cell>
std::string table_line(const std::string& name, std::size_t width, Cell&& cell_of) {
  char cell[64];
  std::string s = name + std::string(width > name.size() ? width - name.size() : 0, ' ');
  for (const std::string& m : main_metrics()) {
    std::snprintf(cell, sizeof cell, " %10s", cell_of(m).c_str());
    s += cell;
  }
  return s + "\n";
}

std::string metrics_table(const BenchmarkResults& r) {
  std::string s;
  std::size_t width = 18;
  for (const std::string& model : r.models) width = std::max(width, model.size() + 3);
  for (const std::string& group : r.groups) {
    s += table_line(group, width, [](const std::string& m) -> std::string {
      return m == "interaction_correlation" ? "interact."
             : m == "energy_distance"       ? "energy"
             : m == "pearson_delta"         ? "pearson_d"
             : m == "wasserstein1"          ? "W1"
             : m == "variance_ratio"        ? "var_ratio"
             : m == "coverage_90"           ? "coverage"
                                            : m;
    });
    for (const std::string& model : r.models)
      s += table_line("  " + model, width, [&](const std::string& m) -> std::string {
        const Interval* i = find(r, model, group, m);
        return i != nullptr ? short_number(i->mean) : "-";
      });
  }
  bool any = false;
  for (const std::string& model : r.models) {
    if (model == "backbone" || !builds_on_backbone(model)) continue;
    std::map<std::string, const Interval*> difference;
    for (const PairedRow& p : r.paired)
      if (p.model == model && p.group == "all") difference[p.metric] = &p.difference;
    if (difference.empty()) continue;
    if (!any) s += "minus backbone, all conditions, paired by condition; * beyond its 95 % interval\n";
    any = true;
    s += table_line("  " + model, width, [&](const std::string& m) -> std::string {
      const auto found = difference.find(m);
      if (found == difference.end()) return "-";
      const Interval& i = *found->second;
      return short_number(i.mean) + (i.low > 0 || i.high < 0 ? "*" : "");
    });
  }
  return s;
}

}  // namespace perturbine

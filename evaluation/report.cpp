// The results as files: JSON, CSV, a terminal table and one HTML page with SVG written here.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "evaluation/benchmark.h"

namespace perturbine {
namespace {

using Json = nlohmann::ordered_json;

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

std::string short_number(double v) {
  if (!std::isfinite(v)) return "-";
  char s[32];
  const double a = std::abs(v);
  std::snprintf(s, sizeof s, a >= 100 ? "%.0f" : a >= 10 ? "%.1f" : a >= .1 ? "%.3f" : "%.4f", v);
  return s;
}

// Text that may hold anything a file's author chose, made safe for HTML and SVG.
std::string escape(const std::string& s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
  }
  return out;
}

std::string csv_cell(const std::string& s) {
  std::string body = s;
  if (!body.empty() && std::string("=+-@").find(body[0]) != std::string::npos) body = "'" + body;  // no formulas
  if (body.find_first_of(",\"\n\r") == std::string::npos) return body;
  std::string quoted = "\"";
  for (const char c : body) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

const Interval* find(const BenchmarkResults& r, const std::string& model, const std::string& group,
                     const std::string& metric) {
  for (const SummaryRow& s : r.summary)
    if (s.model == model && s.group == group && s.metric == metric) return &s.interval;
  return nullptr;
}

// How good a value is: smaller is better after this.
double badness(const std::string& metric, double v) {
  const int d = metric_direction(metric);
  if (d > 0) return -v;
  if (d < 0)
    return metric.starts_with("energy_distance") || metric == "rbf_mmd" || metric == "sinkhorn_divergence" ? std::abs(v)
                                                                                                           : v;
  return std::abs(v - metric_target(metric).value_or(0));
}

const std::vector<std::string>& main_metrics() {
  static const std::vector<std::string> m{
      "l2",   "pearson_delta", "interaction_correlation", "energy_distance", "rbf_mmd", "wasserstein1",
      "crps", "coverage_90",   "variance_ratio"};
  return m;
}

// Horizontal bars of one metric with intervals: models from top to bottom.
std::string bars(const BenchmarkResults& r, const std::string& group, const std::string& metric) {
  double low = 0, high = 0;
  std::vector<std::pair<std::string, Interval>> shown;
  for (const std::string& m : r.models)
    if (const Interval* i = find(r, m, group, metric)) {
      shown.emplace_back(m, *i);
      low = std::min(low, i->low), high = std::max(high, i->high);
    }
  if (shown.empty() || high <= low) return "";
  const int left = 130, width = 300, row = 22, height = 34 + row * static_cast<int>(shown.size());
  auto x = [&](double v) { return left + (v - low) / (high - low) * width; };
  std::string s =
      text("<figure><svg role=\"img\" viewBox=\"0 0 ", left + width + 60, " ", height, "\"><title>", escape(metric),
           "</title>", "<text x=\"", left, "\" y=\"14\" class=\"h\">", escape(metric), "</text>");
  int y = 24;
  for (const auto& [m, i] : shown) {
    const double a = x(std::min(0.0, i.mean)), b = x(std::max(0.0, i.mean));
    s += text("<text x=\"", left - 8, "\" y=\"", y + 13, "\" text-anchor=\"end\">", escape(m), "</text><rect x=\"", a,
              "\" y=\"", y + 3, "\" width=\"", std::max(1.0, b - a), "\" height=\"12\" class=\"",
              m == "backbone" || m == "replicate" || m == "true-sampler" ? "b" : "m", "\"/><line x1=\"", x(i.low),
              "\" x2=\"", x(i.high), "\" y1=\"", y + 9, "\" y2=\"", y + 9, "\" class=\"e\"/><text x=\"",
              x(std::max(i.high, 0.0)) + 5, "\" y=\"", y + 13, "\">", short_number(i.mean), "</text>");
    y += row;
  }
  return s + "</svg></figure>\n";
}

std::string html_table(const BenchmarkResults& r, const std::string& group) {
  std::string s = "<table><thead><tr><th>model</th>";
  for (const auto& m : metric_names()) s += "<th>" + escape(m) + "</th>";
  s += "</tr></thead><tbody>\n";
  std::map<std::string, double> best;
  for (const auto& metric : metric_names())
    for (const auto& model : r.models)
      if (const Interval* i =
              model == "replicate" || model == "true-sampler" ? nullptr : find(r, model, group, metric)) {
        const double b = badness(metric, i->mean);
        if (!best.count(metric) || b < best[metric]) best[metric] = b;
      }
  for (const auto& model : r.models) {
    s += "<tr><th>" + escape(model) +
         (model == "replicate" || model == "true-sampler" ? " <small>(ceiling)</small>" : "") + "</th>";
    for (const auto& metric : metric_names()) {
      const Interval* i = find(r, model, group, metric);
      const bool is_best =
          i != nullptr && model != "replicate" && model != "true-sampler" && badness(metric, i->mean) <= best[metric];
      s += i == nullptr ? "<td>-</td>"
                        : text("<td", is_best ? " class=\"best\"" : "", " title=\"95 % interval ", short_number(i->low),
                               " to ", short_number(i->high), ", ", i->n, " values\">", short_number(i->mean), "</td>");
    }
    s += "</tr>\n";
  }
  return s + "</tbody></table>\n";
}

std::string verdict(const BenchmarkResults& r) {
  std::string s;
  for (const std::string& model : r.models) {
    std::string better, worse;
    bool compared = false;
    for (const PairedRow& p : r.paired) {
      if (p.model != model || p.group != "all") continue;
      compared = true;
      const int d = metric_direction(p.metric);
      if (d == 0) continue;
      const bool gains = d > 0                               ? p.difference.low > 0
                         : p.difference.high<0, loses = d> 0 ? p.difference.high < 0
                                                             : p.difference.low > 0;
      if (gains) better += (better.empty() ? "" : ", ") + p.metric;
      if (loses) worse += (worse.empty() ? "" : ", ") + p.metric;
    }
    if (!compared || !is_trainable(model)) continue;
    s += text("<p><b>", escape(model), "</b> against <b>backbone</b>, paired by condition: ",
              better.empty() ? "no metric is better beyond its interval" : "better in " + escape(better), "; ",
              worse.empty() ? "none is worse" : "worse in " + escape(worse), ".</p>\n");
  }
  return s;
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
                      {"mean", "predict_mean"},
                      {"control_mean", "real file, both sides"},
                      {"generated_cells", 400},
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
std::string table_line(const std::string& name, Cell&& cell_of) {
  char cell[64];
  std::snprintf(cell, sizeof cell, "%-18s", name.substr(0, 18).c_str());
  std::string s = cell;
  for (const std::string& m : main_metrics()) {
    std::snprintf(cell, sizeof cell, " %10s", cell_of(m).c_str());
    s += cell;
  }
  return s + "\n";
}

std::string metrics_table(const BenchmarkResults& r) {
  std::string s;
  for (const std::string& group : r.groups) {
    s += table_line(group, [](const std::string& m) -> std::string {
      return m == "interaction_correlation" ? "interact."
             : m == "energy_distance"       ? "energy"
             : m == "pearson_delta"         ? "pearson_d"
             : m == "wasserstein1"          ? "W1"
             : m == "variance_ratio"        ? "var_ratio"
             : m == "coverage_90"           ? "coverage"
                                            : m;
    });
    for (const std::string& model : r.models)
      s += table_line("  " + model, [&](const std::string& m) -> std::string {
        const Interval* i = find(r, model, group, m);
        return i != nullptr ? short_number(i->mean) : "-";
      });
  }
  bool any = false;
  for (const std::string& model : r.models) {
    if (!is_trainable(model)) continue;
    std::map<std::string, const Interval*> difference;
    for (const PairedRow& p : r.paired)
      if (p.model == model && p.group == "all") difference[p.metric] = &p.difference;
    if (difference.empty()) continue;
    if (!any) s += "minus backbone, all conditions, paired by condition; * beyond its 95 % interval\n";
    any = true;
    s += table_line("  " + model, [&](const std::string& m) -> std::string {
      const auto found = difference.find(m);
      if (found == difference.end()) return "-";
      const Interval& i = *found->second;
      return short_number(i.mean) + (i.low > 0 || i.high < 0 ? "*" : "");
    });
  }
  return s;
}

std::string report_html(const BenchmarkResults& r) {
  std::string s =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n"
      "<title>Perturbine benchmark</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem "
      "auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
      "table{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}th,td{padding:.25rem "
      ".5rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}"
      "tbody "
      "th{text-align:left}td.best{background:#dcefe6;font-weight:600}.plots{display:grid;grid-template-columns:repeat("
      "auto-fit,minmax(22rem,1fr));gap:.5rem}"
      "figure{margin:0}svg{width:100%;font:12px system-ui,sans-serif}svg "
      ".h{font-weight:600}.m{fill:#0072b2}.b{fill:#999}.e{stroke:#222;stroke-width:1.5}"
      ".note{background:#fff4d6;padding:.5rem 1rem}</style></head><body>\n<h1>Perturbine benchmark</h1>\n";
  s += "<p>Data: <code>" + escape(r.data_path) + "</code>, library size from " + escape(r.library_size_source) + ", " +
       std::to_string(r.seeds.size()) + " seed(s), " + short_number(r.seconds) + " s.</p>\n";
  if (r.simulated)
    s += "<p class=\"note\"><b>Simulated data.</b> These cells were made by the program's own simulator; nothing here "
         "says how a model does on real cells.</p>\n";
  s += verdict(r);
  for (const std::string& group : r.groups) {
    s += "<h2>" + escape(group) + "</h2>\n" + html_table(r, group) + "<div class=\"plots\">\n";
    for (const std::string& m : main_metrics()) s += bars(r, group, m);
    s += "</div>\n";
  }
  s += "<p>Green: the best mean of the column, the ceiling aside. Hover a number for its interval: bootstrap over "
       "conditions. "
       "Every number is in metrics.json and metrics.csv beside this page.</p>\n</body></html>\n";
  return s;
}

}  // namespace perturbine

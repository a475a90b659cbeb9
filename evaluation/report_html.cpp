// The page: verdict, tables, bars, and pictures of single conditions. One file, no script, SVG written here, every name
// escaped.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "evaluation/figures.h"
#include "evaluation/report_parts.h"

namespace perturbine {
namespace {

// Horizontal bars of one metric with intervals: models from top to bottom.
std::string bars(const BenchmarkResults& r, const std::string& group, const std::string& metric) {
  double low = 0, high = 0;
  std::vector<std::pair<std::string, Interval>> shown;
  for (const std::string& m : r.models)
    if (const Interval* i = find(r, m, group, metric)) {
      shown.emplace_back(m, *i);
      low = std::min({low, i->mean, std::isnan(i->low) ? i->mean : i->low});
      high = std::max({high, i->mean, std::isnan(i->high) ? i->mean : i->high});
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
              m == "backbone" || is_ceiling(m) ? "b" : "m", "\"/>");
    if (!std::isnan(i.low))
      s += text("<line x1=\"", x(i.low), "\" x2=\"", x(i.high), "\" y1=\"", y + 9, "\" y2=\"", y + 9,
                "\" class=\"e\"/>");
    s += text("<text x=\"", x(std::max(std::isnan(i.high) ? i.mean : i.high, 0.0)) + 5, "\" y=\"", y + 13, "\">",
              short_number(i.mean), "</text>");
    y += row;
  }
  return s + "</svg></figure>\n";
}

std::string interval_words(const Interval& i) {
  return std::isnan(i.low)
             ? std::string("one value")
             : text("95 % interval ", short_number(i.low), " to ", short_number(i.high), ", ", i.n, " values");
}

std::string html_table(const BenchmarkResults& r, const std::string& group) {
  std::string s = "<table><thead><tr><th>model</th>";
  for (const auto& m : metric_names()) s += "<th>" + escape(m) + "</th>";
  s += "</tr></thead><tbody>\n";
  std::map<std::string, double> best;
  for (const auto& metric : metric_names())
    for (const auto& model : r.models)
      if (const Interval* i = is_ceiling(model) ? nullptr : find(r, model, group, metric)) {
        const double b = badness(metric, i->mean);
        if (!best.count(metric) || b < best[metric]) best[metric] = b;
      }
  for (const auto& model : r.models) {
    s += "<tr><th>" + escape(model) + (is_ceiling(model) ? " <small>(ceiling)</small>" : "") + "</th>";
    for (const auto& metric : metric_names()) {
      const Interval* i = find(r, model, group, metric);
      const bool is_best = i != nullptr && !is_ceiling(model) && badness(metric, i->mean) <= best[metric];
      s += i == nullptr ? "<td>-</td>"
                        : text("<td", is_best ? " class=\"best\"" : "", " title=\"", interval_words(*i), "\">",
                               short_number(i->mean), "</td>");
    }
    s += "</tr>\n";
  }
  return s + "</tbody></table>\n";
}

// The genes that changed most in truth and an even choice of the others: at most 400 points.
std::vector<float> change_points(const ConditionPicture& p) {
  std::vector<std::size_t> order(p.real_change.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(p.real_change[a]) > std::abs(p.real_change[b]);
  });
  std::vector<float> points;
  const std::size_t top = std::min<std::size_t>(200, order.size()), rest = order.size() - top,
                    some = std::min<std::size_t>(200, rest);
  auto add = [&](std::size_t g) { points.push_back(p.real_change[g]), points.push_back(p.predicted_change[g]); };
  for (std::size_t i = 0; i < top; ++i) add(order[i]);
  for (std::size_t i = 0; i < some; ++i) add(order[top + i * rest / some]);
  return points;
}

std::string pictures(const BenchmarkResults& r) {
  const std::string model = best_trained(r);
  std::string s;
  for (const ConditionPicture& p : r.pictures) {
    if (p.model != model) continue;
    const std::string name = p.condition + (p.context.empty() ? "" : " in " + p.context);
    s +=
        draw(Scatter{name + ": mean change", "real change of log expression", "predicted", {}, change_points(p), true});
    s += draw(Scatter{name + ": cells", "first principal component", "second", p.real, p.generated, false});
    if (!p.additive_change.empty()) {
      std::vector<float> beyond;
      for (std::size_t g = 0; g < p.real_change.size(); ++g) {
        beyond.push_back(p.real_change[g] - p.additive_change[g]);
        beyond.push_back(p.predicted_change[g] - p.additive_change[g]);
      }
      s += draw(Scatter{name + ": interaction", "real change beyond the sum of parts", "predicted", {}, beyond, true});
    }
    if (!p.enrichment.empty())
      s += draw(Scatter{name + ": gene sets", "enrichment of the real change", "predicted", {}, p.enrichment, true});
    for (std::size_t k = 0; k < p.genes.size(); ++k) {
      auto part = [&](const std::vector<float>& values) {
        const std::size_t n = values.size() / p.genes.size();
        return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(k * n),
                                  values.begin() + static_cast<std::ptrdiff_t>((k + 1) * n));
      };
      s += draw(
          TwoHistograms{name + ": " + p.genes[k], "log expression", part(p.real_values), part(p.generated_values)});
    }
  }
  if (s.empty()) return s;
  return "<h2>Single conditions, " + escape(model) +
         "</h2>\n<p>Mean change: every point a gene, its change against control as measured and as predicted; the line "
         "is a "
         "perfect prediction. Cells: real ones grey, generated ones blue, in the first principal components of all "
         "real "
         "cells. Interaction, of pairs whose parts were both seen alone: the same points less the sum of the parts. "
         "Gene sets: every point a set, how far its genes stand out by their change. Then the "
         "genes that changed most: real cells filled, generated ones outlined.</p>\n<div class=\"plots\">\n" +
         s + "</div>\n";
}

// Whether spreads and stated errors can be relied on.
std::string calibration(const BenchmarkResults& r) {
  const std::string model = best_trained(r);
  std::string s;
  if (const auto found = r.pit.find(model); found != r.pit.end() && found->second.back() > 0) {
    const std::vector<double>& below = found->second;
    const std::size_t bins = below.size();
    std::vector<double> shares;
    for (std::size_t k = 0; k < bins; ++k) shares.push_back((below[k] - (k == 0 ? 0 : below[k - 1])) / below.back());
    s += draw(EvenHistogram{"Probability integral transform", "where real values fall among generated ones", shares});
  }
  Lines curve{"Calibration of cells", "central interval", "share of real values inside", {}, true};
  for (const std::string& m : r.models)
    if (const auto found = r.pit.find(m); found != r.pit.end() && found->second.back() > 0) {
      const std::vector<double>& below = found->second;
      const std::size_t bins = below.size();
      std::vector<float> points{0, 0};
      for (std::size_t k = bins / 2; k-- > 1;) {
        points.push_back(1 - 2 * static_cast<float>(k) / static_cast<float>(bins));
        points.push_back(static_cast<float>((below[bins - k - 1] - below[k - 1]) / below.back()));
      }
      points.push_back(1), points.push_back(1);
      if (m == model || m == "backbone") curve.series.push_back({m, points});
    }
  s += draw(curve);
  Scatter errors{"Stated and real error of means", "stated", "real (L2)", {}, {}, true};
  std::map<std::string, double> stated;
  auto key = [](const ResultRow& row) { return text(row.seed, "|", row.fold, "|", row.condition, "|", row.context); };
  for (const ResultRow& row : r.rows)
    if (row.model == model && row.value.metric == "stated_error" && row.value.status == "ok")
      stated[key(row)] = row.value.value;
  for (const ResultRow& row : r.rows)
    if (row.model == model && row.value.metric == "l2")
      if (const auto found = stated.find(key(row)); found != stated.end()) {
        errors.b.push_back(static_cast<float>(found->second));
        errors.b.push_back(static_cast<float>(row.value.value));
      }
  s += draw(errors);
  for (const TrainingCurve& c : r.training) {
    Lines lines{"Training of " + c.model, "step", "loss", {{"training", c.loss}}, false};
    if (!c.validation.empty()) lines.series.push_back({"validation", c.validation});
    s += draw(lines);
  }
  if (s.empty()) return s;
  return "<h2>How far to trust it, " + escape(model) +
         "</h2>\n<p>The transform is even where generated cells spread as real ones do; heaped ends mean too narrow, a "
         "heaped "
         "middle too wide. The calibration curve lies on the line then. Stated errors were given before the cells were "
         "seen: points on the line were foretold. Training: the loss of the first fold and seed.</p>\n<div "
         "class=\"plots\">\n" +
         s + "</div>\n";
}

}  // namespace

std::string report_html(const BenchmarkResults& r) {
  std::string s =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n"
      "<title>Perturbine benchmark</title><style>code{overflow-wrap:anywhere}body{font:15px/1.5 "
      "system-ui,sans-serif;max-width:72rem;margin:2rem "
      "auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
      "table{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}th,td{padding:.25rem "
      ".5rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}"
      "tbody "
      "th{text-align:left}td.best{background:#dcefe6;font-weight:600}.plots{display:grid;grid-template-columns:repeat("
      "auto-fit,minmax(22rem,1fr));gap:.5rem}"
      "figure{margin:0}svg{width:100%;font:12px system-ui,sans-serif}svg "
      ".h{font-weight:600}.f{fill:none;stroke:#ccc}.d{stroke:#c40;stroke-dasharray:4 "
      "3}.pb{fill:#999;fill-opacity:.5}.pm{fill:"
      "#0072b2;fill-opacity:.5}.verdict{max-width:46rem;font-size:17px}.m{fill:#0072b2}.b{fill:#999}.l{fill:none;"
      "stroke:#0072b2;stroke-width:1.6}.e{stroke:#222;"
      "stroke-width:1.5}"
      ".note{background:#fff4d6;padding:.5rem 1rem}</style></head><body>\n<h1>Perturbine benchmark</h1>\n";
  s += "<p>Data: <code>" + escape(r.data_path) + "</code>, library size from " + escape(r.library_size_source) + ", " +
       std::to_string(r.seeds.size()) + " seed(s), " + short_number(r.seconds) + " s.</p>\n";
  if (r.simulated)
    s += "<p class=\"note\"><b>Simulated data.</b> These cells were made by the program's own simulator; nothing here "
         "says how a model does on real cells.</p>\n";
  s += "<h2>Verdict</h2>\n<p class=\"verdict\">";
  for (const std::string& sentence : verdict(r)) s += escape(sentence) + " ";
  s += "</p>\n";
  for (const std::string& group : r.groups) {
    s += "<h2>" + escape(group) + "</h2>\n" + html_table(r, group) + "<div class=\"plots\">\n";
    for (const std::string& m : main_metrics()) s += bars(r, group, m);
    s += "</div>\n";
  }
  s += calibration(r);
  s += pictures(r);
  s += "<p>Green: the best mean of the column, the ceiling aside. Hover a number for its interval: bootstrap over "
       "conditions. "
       "Every number is in metrics.json and metrics.csv beside this page.</p>\n</body></html>\n";
  return s;
}

}  // namespace perturbine

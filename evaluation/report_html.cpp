// The page: verdict, tables, bars, and pictures of single conditions. One file, no script, SVG written here, every name
// escaped.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

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

// A square scatter of two series with equal axes; `b` is drawn over `a`.
struct Scatter {
  std::string title, x_label, y_label;
  std::vector<float> a, b;  // [points, 2]
  bool diagonal = false;
};
std::string scatter(const Scatter& p) {
  float low[2] = {0, 0}, high[2] = {0, 0};
  for (const auto* series : {&p.a, &p.b})
    for (std::size_t i = 0; i < series->size(); ++i) {
      low[i % 2] = std::min(low[i % 2], (*series)[i]), high[i % 2] = std::max(high[i % 2], (*series)[i]);
    }
  if (p.diagonal) low[0] = low[1] = std::min(low[0], low[1]), high[0] = high[1] = std::max(high[0], high[1]);
  if (!(high[0] > low[0]) || !(high[1] > low[1])) return "";
  constexpr float left = 48, top = 28, size = 260;
  auto x = [&](float v) { return left + (v - low[0]) / (high[0] - low[0]) * size; };
  auto y = [&](float v) { return top + size - (v - low[1]) / (high[1] - low[1]) * size; };
  std::string s = text("<figure><svg role=\"img\" viewBox=\"0 0 330 330\"><title>", escape(p.title),
                       "</title><text x=\"", left, "\" y=\"16\" class=\"h\">", escape(p.title), "</text><rect x=\"",
                       left, "\" y=\"", top, "\" width=\"", size, "\" height=\"", size, "\" class=\"f\"/>");
  if (p.diagonal)
    s += text("<line x1=\"", x(low[0]), "\" y1=\"", y(low[0]), "\" x2=\"", x(high[0]), "\" y2=\"", y(high[0]),
              "\" class=\"d\"/>");
  for (const auto& [series, name] : {std::pair{&p.a, "pb"}, std::pair{&p.b, "pm"}})
    for (std::size_t i = 0; i + 1 < series->size(); i += 2)
      s += text("<circle cx=\"", std::round(10 * x((*series)[i])) / 10, "\" cy=\"",
                std::round(10 * y((*series)[i + 1])) / 10, "\" r=\"2.2\" class=\"", name, "\"/>");
  auto label = [&](float v) { return short_number(static_cast<double>(v)); };
  s += text("<text x=\"", left, "\" y=\"302\">", label(low[0]), "</text><text x=\"", left + size,
            "\" y=\"302\" text-anchor=\"end\">", label(high[0]), "</text><text x=\"", left + size / 2,
            "\" y=\"318\" text-anchor=\"middle\">", escape(p.x_label), "</text><text x=\"", left - 4, "\" y=\"",
            top + size, "\" text-anchor=\"end\">", label(low[1]), "</text><text x=\"", left - 4, "\" y=\"", top + 10,
            "\" text-anchor=\"end\">", label(high[1]), "</text><text transform=\"translate(14,", top + size / 2,
            ") rotate(-90)\" text-anchor=\"middle\">", escape(p.y_label), "</text></svg></figure>\n");
  return s;
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
    s += scatter({name + ": mean change", "real change of log expression", "predicted", {}, change_points(p), true});
    s += scatter({name + ": cells", "first principal component", "second", p.real, p.generated, false});
  }
  if (s.empty()) return s;
  return "<h2>Single conditions, " + escape(model) +
         "</h2>\n<p>Left: every point a gene, its change against control as measured and as "
         "predicted; the line is a perfect prediction. Right: real cells grey, generated ones blue, in the first "
         "principal "
         "components of all real cells.</p>\n<div class=\"plots\">\n" +
         s + "</div>\n";
}

}  // namespace

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
      ".h{font-weight:600}.f{fill:none;stroke:#ccc}.d{stroke:#c40;stroke-dasharray:4 "
      "3}.pb{fill:#999;fill-opacity:.5}.pm{fill:"
      "#0072b2;fill-opacity:.5}.verdict{max-width:46rem;font-size:17px}.m{fill:#0072b2}.b{fill:#999}.e{stroke:#222;"
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
  s += pictures(r);
  s += "<p>Green: the best mean of the column, the ceiling aside. Hover a number for its interval: bootstrap over "
       "conditions. "
       "Every number is in metrics.json and metrics.csv beside this page.</p>\n</body></html>\n";
  return s;
}

}  // namespace perturbine

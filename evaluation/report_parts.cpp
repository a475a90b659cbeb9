#include "evaluation/report_parts.h"

#include <cmath>
#include <cstdio>

namespace perturbine {

std::string short_number(double v) {
  if (!std::isfinite(v)) return "-";
  char s[32];
  const double a = std::abs(v);
  std::snprintf(s, sizeof s, a >= 100 ? "%.0f" : a >= 10 ? "%.1f" : a >= .1 ? "%.3f" : "%.4f", v);
  return s;
}

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

const Interval* find(const BenchmarkResults& r, const std::string& model, const std::string& group,
                     const std::string& metric) {
  for (const SummaryRow& s : r.summary)
    if (s.model == model && s.group == group && s.metric == metric) return &s.interval;
  return nullptr;
}

const Interval* find_paired(const BenchmarkResults& r, const std::string& model, const std::string& group,
                            const std::string& metric) {
  for (const PairedRow& p : r.paired)
    if (p.model == model && p.group == group && p.metric == metric) return &p.difference;
  return nullptr;
}

double badness(const std::string& metric, double v) {
  const int d = metric_direction(metric);
  if (d > 0) return -v;
  if (d < 0)
    return metric.starts_with("energy_distance") || metric == "rbf_mmd" || metric == "sinkhorn_divergence" ? std::abs(v)
                                                                                                           : v;
  return std::abs(v - metric_target(metric).value_or(0));
}

int beyond_interval(const std::string& metric, const Interval& d) {
  const int direction = metric_direction(metric);
  if (direction == 0) return 0;
  if (d.low > 0) return direction;
  if (d.high < 0) return -direction;
  return 0;
}

const std::vector<std::string>& main_metrics() {
  static const std::vector<std::string> m{
      "l2",   "pearson_delta", "interaction_correlation", "energy_distance", "rbf_mmd", "wasserstein1",
      "crps", "coverage_90",   "variance_ratio"};
  return m;
}

bool is_ceiling(const std::string& model) { return model == "replicate" || model == "true-sampler"; }

}  // namespace perturbine

#include "bench/comparison.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"

namespace perturbine {
namespace {

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n == 0 ? 0 : n % 2 == 1 ? v[n / 2] : .5 * (v[n / 2 - 1] + v[n / 2]);
}

// Share of all orders of n and m values whose statistic is at most u: counts[k][j][u] by the recurrence of the paper.
double exact_share(std::size_t n, std::size_t m, std::size_t u) {
  std::vector<std::vector<std::vector<double>>> counts(
      n + 1, std::vector<std::vector<double>>(m + 1, std::vector<double>(n * m + 1, 0)));
  for (std::size_t i = 0; i <= n; ++i)
    for (std::size_t j = 0; j <= m; ++j)
      for (std::size_t k = 0; k <= i * j; ++k)
        counts[i][j][k] =
            i == 0 || j == 0 ? (k == 0 ? 1 : 0) : (k >= j ? counts[i - 1][j][k - j] : 0) + counts[i][j - 1][k];
  double below = 0, all = 0;
  for (std::size_t k = 0; k <= n * m; ++k) all += counts[n][m][k], below += k <= u ? counts[n][m][k] : 0;
  return below / all;
}

}  // namespace

Samples read_samples(const std::string& path) {
  std::ifstream in(path);
  require(in.good(), path, ": cannot be read");
  try {
    const auto j = nlohmann::json::parse(in);
    Samples s;
    if (j.contains("schema") && j.at("schema") == "perturbine.study/1") {
      for (const auto& v : j.at("variants")) {
        const auto times = v.at("against_copy").get<std::vector<double>>();
        if (!times.empty())
          s[j.at("study").get<std::string>() + ": " + v.at("case").get<std::string>() + ", " +
            v.at("variant").get<std::string>()] = times;
      }
    } else if (j.contains("benchmarks")) {
      for (const auto& b : j.at("benchmarks"))
        if (!b.contains("error_message") && b.value("run_type", "") != "aggregate")
          s[b.at("run_name").get<std::string>()].push_back(b.at("real_time").get<double>());
    } else {
      throw Error(text(path, ": is no file of study --json and none of Google Benchmark"));
    }
    return s;
  } catch (const nlohmann::json::exception& e) {
    throw Error(text(path, ": is no JSON of a bench: ", e.what()));
  }
}

double mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  const std::size_t n = a.size(), m = b.size();
  if (n == 0 || m == 0) return 1;
  double u = 0;
  for (const double x : a)
    for (const double y : b) u += x > y ? 1 : x == y ? .5 : 0;
  const double least = std::min(u, static_cast<double>(n * m) - u);
  std::vector<double> all(a);
  all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end());
  double ties = 0;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end] == all[i]) ++end;
    const double t = static_cast<double>(end - i);
    ties += t * t * t - t, i = end;
  }
  if (ties == 0 && n + m <= 30) return std::min(1.0, 2 * exact_share(n, m, static_cast<std::size_t>(least)));
  const double count = static_cast<double>(n + m), product = static_cast<double>(n) * static_cast<double>(m);
  const double variance = product / 12 * (count + 1 - ties / (count * (count - 1)));
  if (variance <= 0) return 1;
  const double z = std::max(0.0, product / 2 - least - .5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

std::vector<Change> compare_samples(const Samples& before, const Samples& after, const ComparisonOptions& options) {
  std::vector<Change> changes;
  for (const auto& [name, a] : before) {
    const auto found = after.find(name);
    if (found == after.end()) continue;
    Change c{name, median(a), median(found->second), mann_whitney(a, found->second)};
    if (c.p < options.alpha && c.before > 0) {
      if (c.after > (1 + options.threshold) * c.before) c.verdict = Change::Verdict::slower;
      if (c.before > (1 + options.threshold) * c.after) c.verdict = Change::Verdict::faster;
    }
    changes.push_back(std::move(c));
  }
  return changes;
}

}  // namespace perturbine

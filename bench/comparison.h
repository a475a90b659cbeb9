// What changed between two runs of benches or studies beyond their noise.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace perturbine {

/// Times by name.
using Samples = std::map<std::string, std::vector<double>>;
/// Of a file of `study --json` (times against the copy beside them) or of Google Benchmark with repetitions. Throws
/// Error for anything else.
Samples read_samples(const std::string& path);

/// Two-sided p of the rank-sum test of Mann and Whitney, Ann. Math. Stat. 18 (1947) 50: exact without ties and for at
/// most 30 values in all, else by the normal approximation with ties and continuity correction.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

struct Change {
  std::string name;
  double before = 0, after = 0;  // medians
  double p = 1;
  enum class Verdict { same, slower, faster } verdict = Verdict::same;
};

struct ComparisonOptions {
  double alpha = .01;     // p below which a difference is no noise
  double threshold = .1;  // and the share by which medians must differ
};

/// Names that both have, in order.
std::vector<Change> compare_samples(const Samples& before, const Samples& after, const ComparisonOptions& options = {});

}  // namespace perturbine

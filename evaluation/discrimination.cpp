#include "evaluation/discrimination.h"

#include <cmath>

namespace perturbine {

std::vector<std::vector<MetricValue>> discrimination(const std::vector<MeanProfile>& profiles) {
  const std::size_t n = profiles.size();
  std::vector<std::vector<MetricValue>> out(n);
  if (n < 2) {
    for (auto& values : out)
      for (const char* name : {"rank", "pds_l1", "centroid_accuracy"})
        values.push_back({name, std::nan(""), "not-applicable"});
    return out;
  }
  std::vector<double> square(n * n, 0), absolute(n * n, 0);  // prediction i against real j
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t g = 0; g < profiles[i].predicted.size(); ++g) {
        square[i * n + j] += std::pow(profiles[i].predicted[g] - profiles[j].real[g], 2);
        absolute[i * n + j] += std::abs((profiles[i].predicted[g] - profiles[i].control[g]) -
                                        (profiles[j].real[g] - profiles[j].control[g]));
      }
  // 1 for nearer, a half for as near.
  auto nearer = [](double other, double own) { return other < own ? 1 : other > own ? 0 : .5; };
  for (std::size_t p = 0; p < n; ++p) {
    double rank = 0, effects = 0, centroids = 0;
    for (std::size_t q = 0; q < n; ++q) {
      if (q == p) continue;
      rank += nearer(square[q * n + p], square[p * n + p]);
      effects += nearer(absolute[p * n + q], absolute[p * n + p]);
      centroids += 1 - nearer(square[p * n + q], square[p * n + p]);
    }
    const double others = static_cast<double>(n - 1);
    out[p] = {{"rank", rank / others, "ok"},
              {"pds_l1", 1 - effects / static_cast<double>(n), "ok"},
              {"centroid_accuracy", centroids / others, "ok"}};
  }
  return out;
}

}  // namespace perturbine

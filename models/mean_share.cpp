#include "models/mean_share.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace perturbine {

std::vector<ConditionMean> condition_means(const TrainingData& data, const std::vector<float>& values) {
  const std::size_t width = values.size() / std::max<std::size_t>(1, data.cells());
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> cells;
  for (std::size_t i = 0; i < data.cells(); ++i)
    if (data.condition[i] != 0) cells[{data.condition[i], data.context[i]}].push_back(i);
  std::vector<ConditionMean> means;
  for (const auto& [key, members] : cells) {
    ConditionMean m{{data.conditions[static_cast<std::size_t>(key.first)], static_cast<std::size_t>(key.second)},
                    std::vector<double>(width, 0)};
    for (const std::size_t i : members)
      for (std::size_t k = 0; k < width; ++k)
        m.mean[k] += static_cast<double>(values[i * width + k]) / static_cast<double>(members.size());
    means.push_back(std::move(m));
  }
  return means;
}

MeanShare choose_mean_share(const std::vector<JudgedShift>& judged) {
  MeanShare s;
  double along = 0, length = 0, missed = 0;
  for (const JudgedShift& j : judged) along += j.along, length += j.length, missed += j.missed;
  const double n = std::max(1.0, static_cast<double>(judged.size()));
  s.best = length > 0 ? std::clamp(along / length, 0.0, 1.0) : 0;
  double gain = 0, square = 0;
  for (const JudgedShift& j : judged) {
    const double g = 2 * s.best * j.along - s.best * s.best * j.length;
    gain += g / n, square += g * g / n;
  }
  const double error = std::sqrt(std::max(0.0, square - gain * gain) / std::max(1.0, n - 1));
  if (gain > error) s.taken = s.best;
  s.gain = gain * n / std::max(missed, 1e-300), s.error = error * n / std::max(missed, 1e-300);
  return s;
}

}  // namespace perturbine

#include "models/mean_share.h"

#include <algorithm>
#include <cmath>

namespace perturbine {

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

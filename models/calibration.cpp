#include "models/calibration.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/core/philox.h"
#include "kernels/similarity/similarity.h"

namespace perturbine {
namespace {

// Mean distance over pairs; with `same` over unequal ones.
double mean_distance(Queue& queue, const std::vector<float>& x, const std::vector<float>& y, std::size_t width,
                     bool same) {
  const std::size_t n = x.size() / width, m = y.size() / width;
  std::vector<float> sum(n);
  execute(
      queue.cpu(),
      PairwiseSum<float>{
          matrix(x.data(), n, width), matrix(y.data(), m, width), {}, {sum.data(), n}, PairKernel::euclidean, same});
  double total = 0;
  for (const float s : sum) total += static_cast<double>(s);
  return total / (static_cast<double>(n) * static_cast<double>(same ? m - 1 : m));
}

}  // namespace

double excess_beyond_error(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double mean = 0, square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) mean += (a[i] - b[i]) / n;
  for (std::size_t i = 0; i < a.size(); ++i) square += std::pow(a[i] - b[i] - mean, 2);
  return mean - std::sqrt(square / std::max(1.0, n - 1) / n);
}

double sample_energy_distance(Queue& queue, const std::vector<float>& x, const std::vector<float>& y,
                              std::size_t width) {
  return 2 * mean_distance(queue, x, y, width, false) - mean_distance(queue, x, x, width, true) -
         mean_distance(queue, y, y, width, true);
}

std::string ShrinkageChoice::report(std::string_view of) const {
  std::string s = text("technical shrinkage of ", of, " ", chosen,
                       " chosen on held-out cells of training conditions; energy distance:");
  for (const auto& [share, score] : scores) s += text(" ", share, " ", score);
  return s + "; the largest within a standard error of the least";
}

ShrinkageChoice choose_technical_shrinkage(Queue& queue, const TrainingData& data, const LatentSpace& space,
                                           const ContextFrames& frames, const std::vector<float>& residuals,
                                           DecodedResiduals decoded, std::uint64_t seed) {
  constexpr std::size_t least_cells = 20, most_conditions = 8, most_cells = 100;
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < data.cells(); ++i) groups[{data.condition[i], data.context[i]}].push_back(i);
  std::vector<const std::vector<std::size_t>*> chosen;
  for (const auto& [key, cells] : groups)
    if (cells.size() >= least_cells) chosen.push_back(&cells);
  if (chosen.size() > most_conditions) {
    // An even choice: neighbours in the list of conditions are often alike.
    std::vector<const std::vector<std::size_t>*> some;
    for (std::size_t k = 0; k < most_conditions; ++k) some.push_back(chosen[k * chosen.size() / most_conditions]);
    chosen = some;
  }
  ShrinkageChoice choice;
  if (chosen.empty()) return choice;
  const std::size_t G = data.genes, K = space.width();
  for (const double share : {0., .25, .5, .75, 1.}) choice.scores.emplace_back(share, 0);
  std::vector<std::vector<double>> scores(choice.scores.size());  // of each candidate and condition
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    // Even cells give the mean, odd ones judge.
    std::vector<double> mean(G, 0);
    std::vector<std::size_t> judges, sources;
    std::size_t half = 0;
    for (std::size_t k = 0; k < chosen[c]->size(); ++k) {
      const std::size_t cell = (*chosen[c])[k];
      if (k % 2 == 1) {
        if (judges.size() < most_cells) judges.push_back(cell);
        continue;
      }
      ++half;
      if (sources.size() < most_cells) sources.push_back(cell);
      for (std::size_t g = 0; g < G; ++g) mean[g] += static_cast<double>(data.row(cell)[g]);
    }
    for (double& m : mean) m /= static_cast<double>(half);
    const std::size_t n = judges.size();
    auto about_mean = [&](auto&& value) {
      std::vector<float> d(n * G);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t g = 0; g < G; ++g) d[i * G + g] = value(i, g) - static_cast<float>(mean[g]);
      return space.coordinates(d, n);
    };
    const auto real = about_mean([&](std::size_t i, std::size_t g) { return data.row(judges[i])[g]; });
    std::vector<double> library;
    std::vector<float> latent(n * K);
    for (std::size_t i = 0; i < n; ++i) {
      const bool own = decoded == DecodedResiduals::cells;  // sources are as many as judges, or one more
      library.push_back(data.library_size[own ? sources[i] : judges[i]]);
      normal_row(seed ^ 0xca11b, c, i, latent.data() + i * K, K);
      for (std::size_t k = 0; k < K; ++k)
        latent[i * K + k] = own ? residuals[sources[i] * K + k]
                                : latent[i * K + k] * static_cast<float>(std::sqrt(frames.variance()[k]));
    }
    if (decoded == DecodedResiduals::gaussian)
      frames.leave(static_cast<std::size_t>(data.context[chosen[c]->front()]), latent);
    for (std::size_t s = 0; s < scores.size(); ++s) {
      const GeneratedCells cells = decode_counts(queue, space, latent, mean, library, choice.scores[s].first, seed + c);
      const auto made = about_mean([&](std::size_t i, std::size_t g) { return cells.expression[i * G + g]; });
      scores[s].push_back(sample_energy_distance(queue, made, real, K));
      choice.scores[s].second += scores[s].back() / static_cast<double>(chosen.size());
    }
  }
  const std::size_t best =
      static_cast<std::size_t>(std::min_element(choice.scores.begin(), choice.scores.end(),
                                                [](const auto& a, const auto& b) { return a.second < b.second; }) -
                               choice.scores.begin());
  for (std::size_t s = best; s < scores.size(); ++s)
    if (excess_beyond_error(scores[s], scores[best]) <= 0) choice.chosen = choice.scores[s].first;
  return choice;
}

}  // namespace perturbine

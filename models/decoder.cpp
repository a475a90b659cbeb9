#include "models/decoder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/core/philox.h"
#include "kernels/counts/counts.h"

namespace perturbine {

std::vector<float> LatentSpace::coordinates(const std::vector<float>& deviations, std::size_t rows) const {
  if (is_genes()) return deviations;
  const std::size_t G = components.components.columns;
  std::vector<float> about(deviations);
  for (std::size_t i = 0; i < rows; ++i)  // project() takes the mean away again
    for (std::size_t g = 0; g < G; ++g) about[i * G + g] += static_cast<float>(components.mean[g]);
  return project(components, about.data(), rows);
}

std::vector<float> LatentSpace::coordinates_about(const std::vector<float>& x, const std::vector<std::size_t>& group,
                                                  const std::vector<std::vector<double>>& means) const {
  const std::size_t n = group.size();
  if (n == 0) return {};
  std::vector<float> at = is_genes() ? x : project(components, x.data(), n);
  const std::size_t K = at.size() / n;
  std::vector<std::vector<double>> origin = means;
  if (!is_genes())
    for (std::size_t m = 0; m < means.size(); ++m) {
      origin[m].assign(K, 0);
      for (std::size_t k = 0; k < K; ++k)
        for (std::size_t g = 0; g < means[m].size(); ++g)
          origin[m][k] += components.components(k, g) * (means[m][g] - components.mean[g]);
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < K; ++k) at[i * K + k] -= static_cast<float>(origin[group[i]][k]);
  return at;
}

std::vector<float> about_mean(const std::vector<float>& expression, const std::vector<double>& mean) {
  const std::size_t G = mean.size();
  require_input(expression.size() % G == 0, "likelihood: ", expression.size(), " values are not whole cells of ", G,
                " genes");
  std::vector<float> about(expression);
  for (std::size_t i = 0; i < about.size(); ++i) about[i] -= static_cast<float>(mean[i % G]);
  return about;
}

std::vector<double> variance_about_means(const TrainingData& data, const std::vector<float>& residuals) {
  const std::size_t n = data.cells(), width = residuals.size() / std::max<std::size_t>(1, n);
  std::set<std::pair<std::int32_t, std::int32_t>> means;
  for (std::size_t i = 0; i < n; ++i) means.emplace(data.condition[i], data.context[i]);
  const double degrees = std::max(1.0, static_cast<double>(n) - static_cast<double>(means.size()));
  std::vector<double> variance(width, 0);
  for (std::size_t i = 0; i < residuals.size(); ++i)
    variance[i % width] += std::pow(static_cast<double>(residuals[i]), 2) / degrees;
  for (double& v : variance) v = std::max(v, 1e-8);
  return variance;
}

LatentSpace fit_latent_space(const TrainingData& data, std::size_t latent, std::vector<float>& residuals) {
  const std::size_t G = data.genes, n = data.cells();
  LatentSpace s;
  if (latent != 0) s.components = principal_components(data.expression.data(), n, G, latent);
  const std::size_t K = s.is_genes() ? G : s.components.components.rows;
  // Residuals about the mean of the cell's own condition and context.
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> number;
  std::vector<std::size_t> group(n);
  std::vector<std::vector<double>> means;
  std::vector<double> counted;
  for (std::size_t i = 0; i < n; ++i) {
    group[i] = number.try_emplace({data.condition[i], data.context[i]}, means.size()).first->second;
    if (group[i] == means.size()) means.emplace_back(G, 0.0), counted.push_back(0);
    counted[group[i]] += 1;
    for (std::size_t g = 0; g < G; ++g) means[group[i]][g] += static_cast<double>(data.row(i)[g]);
  }
  for (std::size_t m = 0; m < means.size(); ++m)
    for (double& v : means[m]) v /= counted[m];
  const double degrees = std::max(1.0, static_cast<double>(n) - static_cast<double>(means.size()));
  residuals = s.coordinates_about(data.expression, group, means);
  s.residual_variance = variance_about_means(data, residuals);
  if (K < G) {
    double all = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t g = 0; g < G; ++g) all += std::pow(static_cast<double>(data.row(i)[g]) - means[group[i]][g], 2);
    all /= degrees;
    for (const double v : s.residual_variance) all -= v;
    s.left_out_variance = std::max(all / static_cast<double>(G - K), 1e-8);
  }
  // Counting noise alone: the variance of log1p(a X) for X Poisson at the gene's mean share of each library, exactly,
  // averaged over an even choice of cells.
  std::vector<double> share(G, 0), noise(G, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t g = 0; g < G; ++g)
      if (data.row(i)[g] != 0)
        share[g] += std::expm1(static_cast<double>(data.row(i)[g])) / 10000 / static_cast<double>(n);
  const std::size_t some = std::min<std::size_t>(n, 64);
  for (std::size_t c = 0; c < some; ++c) {
    const double library = data.library_size[c * n / some], scale = 10000 / library;
    for (std::size_t g = 0; g < G; ++g) {
      const double rate = share[g] * library;
      double variance;
      if (rate > 50) {
        variance = rate * std::pow(scale / (1 + scale * rate), 2);
      } else {
        double p = std::exp(-rate), first = 0, second = 0;
        const auto last = static_cast<std::size_t>(rate + 8 * std::sqrt(rate) + 8);
        for (std::size_t k = 1; k <= last; ++k) {
          p *= rate / static_cast<double>(k);
          const double y = std::log1p(scale * static_cast<double>(k));
          first += p * y, second += p * y * y;
        }
        variance = second - first * first;
      }
      noise[g] += std::max(0.0, variance) / static_cast<double>(some);
    }
  }
  for (std::size_t k = 0; k < K; ++k) {
    double technical = s.is_genes() ? noise[k] : 0;
    for (std::size_t g = 0; g < G && !s.is_genes(); ++g)
      technical += noise[g] * std::pow(s.components.components(k, g), 2);
    s.technical_share.push_back(std::min(.95, technical / s.residual_variance[k]));
  }
  return s;
}

namespace {

// E[log1p(scale * X)] for X Poisson of the given rate.
double expected_log1p(double rate, double scale, const std::vector<double>& log_table) {
  if (rate <= 0) return 0;
  if (rate > 50) {  // second order in the count's relative noise
    const double x = scale * rate;
    return std::log1p(x) - .5 * rate * std::pow(scale / (1 + x), 2);
  }
  double p = std::exp(-rate), sum = 0;
  const auto last = static_cast<std::size_t>(rate + 8 * std::sqrt(rate) + 8);
  for (std::size_t k = 1; k <= last; ++k) {
    p *= rate / static_cast<double>(k);
    sum += p * (k < log_table.size() ? log_table[k] : std::log1p(scale * static_cast<double>(k)));
    if (p < 1e-9 && static_cast<double>(k) > rate) break;  // what is left changes no digit that matters
  }
  return sum;
}

}  // namespace

GeneratedCells decode_counts(Queue& queue, const LatentSpace& space, const std::vector<float>& latent,
                             const std::vector<double>& mean, const std::vector<double>& library_size, double shrinkage,
                             std::uint64_t seed, bool calibrated) {
  const std::size_t n = library_size.size(), G = mean.size(), K = space.width();
  // Rates before calibration: expm1 of the mean plus the latent's deviation, its technical part taken out.
  std::vector<double> keep(K);
  for (std::size_t k = 0; k < K; ++k)
    keep[k] = std::sqrt(1 - std::clamp(shrinkage, 0.0, 1.0) * space.technical_share[k]);
  std::vector<double> centre(K, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < K; ++k) centre[k] += static_cast<double>(latent[i * K + k]) / static_cast<double>(n);
  std::vector<float> rate(n * G);
  queue.cpu().pool.for_ranges(n, 16, [&](std::size_t begin, std::size_t end) {
    std::vector<double> row(G);
    for (std::size_t i = begin; i < end; ++i) {
      row = mean;
      for (std::size_t k = 0; k < K; ++k) {
        const double z = keep[k] * (static_cast<double>(latent[i * K + k]) - centre[k]);
        if (space.is_genes()) {
          row[k] += z;
          continue;
        }
        const double* component = space.components.components.row(k);
        for (std::size_t g = 0; g < G; ++g) row[g] += z * component[g];
      }
      for (std::size_t g = 0; g < G; ++g)
        rate[i * G + g] =
            static_cast<float>(std::max(0.0, std::expm1(std::min(row[g], 9.0))) * library_size[i] / 10000);
    }
  });
  return draw_counts(queue, std::move(rate), mean, library_size, n, 0, seed, calibrated);
}

GeneratedCells draw_counts(Queue& queue, std::vector<float> rate, const std::vector<double>& mean,
                           const std::vector<double>& library_size, std::size_t population, std::size_t first,
                           std::uint64_t seed, bool calibrated) {
  const std::size_t rows = library_size.size(), G = mean.size();
  // Per-gene factors by fixed-point iteration on the expected mean of a subset of the cells.
  const std::size_t subset = std::min<std::size_t>(population, 400);
  auto chosen = [&](std::size_t i) { return i * population / subset; };  // an even choice
  std::vector<double> factor(G, 1);
  std::vector<std::vector<double>> tables(subset);
  for (std::size_t i = 0; i < subset && calibrated; ++i)
    for (std::size_t k = 0; k < 64; ++k)
      tables[i].push_back(std::log1p(10000 / library_size[chosen(i)] * static_cast<double>(k)));
  queue.cpu().pool.for_ranges(calibrated ? G : 0, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t g = begin; g < end; ++g) {
      const double target = std::max(0.0, mean[g]);
      double total = 0;
      for (std::size_t i = 0; i < subset; ++i) total += static_cast<double>(rate[chosen(i) * G + g]);
      if (target < 1e-6 || total <= 0) {
        factor[g] = target < 1e-6 ? 0 : 1;
        continue;
      }
      for (int iteration = 0; iteration < 8; ++iteration) {
        double got = 0;
        for (std::size_t i = 0; i < subset; ++i)
          got += expected_log1p(factor[g] * static_cast<double>(rate[chosen(i) * G + g]),
                                10000 / library_size[chosen(i)], tables[i]) /
                 static_cast<double>(subset);
        const double ratio = target / std::max(got, 1e-9);
        factor[g] = std::clamp(factor[g] * std::pow(ratio, got > 1 ? 1.5 : 1.0), 1e-3, 50.0);
        if (std::abs(ratio - 1) < 2e-3) break;
      }
    }
  });
  for (std::size_t i = first; i < rows; ++i)
    for (std::size_t g = 0; g < G; ++g) rate[i * G + g] *= static_cast<float>(factor[g]);

  GeneratedCells out;
  const std::size_t n = rows - first;
  out.count = n, out.genes = G;
  out.library_size.assign(library_size.begin() + static_cast<std::ptrdiff_t>(first), library_size.end());
  out.counts.resize(n * G);
  const std::uint64_t offset = 0;
  execute(queue.cpu(), SampleCounts<float>{matrix<const float>(rate.data() + first * G, n, G),
                                           {},
                                           {&offset, 1},
                                           matrix(out.counts.data(), n, G),
                                           seed ^ 0xc0u});
  out.expression.resize(n * G);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t g = 0; g < G; ++g)
      out.expression[i * G + g] =
          static_cast<float>(std::log1p(10000 * static_cast<double>(out.counts[i * G + g]) / out.library_size[i]));
  return out;
}

}  // namespace perturbine

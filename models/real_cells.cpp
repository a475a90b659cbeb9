#include "models/real_cells.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/core/philox.h"
#include "kernels/random/random.h"
#include "models/linear_algebra.h"

namespace perturbine {
namespace {

template <class Wanted>
std::vector<std::size_t> cells_where(const TrainingData& data, std::size_t context, Wanted&& wanted) {
  std::vector<std::size_t> cells;
  for (int any_context = 0; any_context < 2 && cells.empty(); ++any_context)
    for (std::size_t i = 0; i < data.cells(); ++i)
      if (wanted(i) && (any_context == 1 || static_cast<std::size_t>(data.context[i]) == context)) cells.push_back(i);
  return cells;
}

}  // namespace

std::vector<std::size_t> controls_of(const TrainingData& data, std::size_t context) {
  return cells_where(data, context, [&](std::size_t i) { return data.condition[i] == 0; });
}
std::vector<std::size_t> cells_in_context(const TrainingData& data, std::size_t context) {
  return cells_where(data, context, [](std::size_t) { return true; });
}
std::vector<std::size_t> cells_of_parts(const TrainingData& data, const Query& q) {
  std::vector<char> is_part(data.conditions.size(), 0);
  for (std::size_t c = 0; c < data.conditions.size(); ++c)
    for (const auto& p : q.condition.parts)
      if (data.conditions[c].parts.size() == 1 && data.conditions[c].parts[0].name == p.name) is_part[c] = 1;
  return cells_where(data, q.context,
                     [&](std::size_t i) { return is_part[static_cast<std::size_t>(data.condition[i])] != 0; });
}

std::vector<std::size_t> some_of(const std::vector<std::size_t>& cells, std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> order(cells.size());
  random_permutation(seed, 0xce11, order.data(), order.size());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < std::min(count, cells.size()); ++i) out.push_back(cells[order[i]]);
  return out;
}

std::vector<std::size_t> chosen_cells(const TrainingData& data, std::size_t context, bool perturbed, std::size_t count,
                                      std::uint64_t seed) {
  return some_of(cells_where(data, context, [&](std::size_t i) { return (data.condition[i] != 0) == perturbed; }),
                 count, seed);
}

std::vector<std::size_t> drawn_by_weight(const std::vector<double>& weights, std::size_t count, std::uint64_t seed) {
  std::vector<double> upto(weights.size());
  std::partial_sum(weights.begin(), weights.end(), upto.begin());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < count; ++i) {
    const double u = (static_cast<double>(i) + static_cast<double>(uniform(philox(seed, 0x711, i).word[0]))) /
                     static_cast<double>(count) * upto.back();
    out.push_back(std::min<std::size_t>(
        weights.size() - 1, static_cast<std::size_t>(std::lower_bound(upto.begin(), upto.end(), u) - upto.begin())));
  }
  return out;
}

GeneratedCells moved_cells(const TrainingData& data, const std::vector<std::size_t>& cells,
                           const std::vector<double>& change) {
  GeneratedCells out;
  out.count = cells.size(), out.genes = data.genes;
  for (const std::size_t cell : cells) {
    out.library_size.push_back(data.library_size[cell]);
    for (std::size_t g = 0; g < data.genes; ++g)
      out.expression.push_back(
          std::max(0.0f, data.row(cell)[g] + (change.empty() ? 0.0f : static_cast<float>(change[g]))));
  }
  return out;
}

GeneratedCells thinned_cells(const TrainingData& data, const std::vector<std::size_t>& cells,
                             const std::vector<double>& mean, std::uint64_t seed) {
  GeneratedCells out;
  out.count = cells.size(), out.genes = data.genes;
  for (const std::size_t cell : cells) {
    out.library_size.push_back(data.library_size[cell]);
    for (std::size_t g = 0; g < data.genes; ++g) out.counts.push_back(static_cast<float>(data.count(cell, g)));
  }
  thin_to_mean(out, mean, seed);
  return out;
}

void thin_to_mean(GeneratedCells& cells, const std::vector<double>& mean, std::uint64_t seed) {
  const std::size_t n = cells.count, G = cells.genes;
  cells.expression.resize(n * G);
  double library = 0;
  for (const double size : cells.library_size) library += size / static_cast<double>(n);
  std::vector<double> counts(n);
  for (std::size_t g = 0; g < G; ++g) {
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) {
      counts[i] = static_cast<double>(cells.counts[i * G + g]);
      total += counts[i] / static_cast<double>(n);
    }
    // One uniform for each count, and one for each cell's addition: the same at every factor, so that the mean is
    // monotone in it.
    auto apply = [&](double factor) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        double made = counts[i];
        const auto draw = [&](std::uint64_t k) {
          return static_cast<double>(uniform(philox(seed ^ 0x7417, k, matrix_subsequence(i, 4 * g)).word[0]));
        };
        if (factor < 1) {
          made = 0;
          for (std::uint64_t k = 0; k < static_cast<std::uint64_t>(counts[i]); ++k)
            made += draw(k + 1) <= factor ? 1 : 0;
        } else if (factor > 1) {
          // Poisson by inversion; the factor of a gene without counts is the rate itself.
          const double rate = (total > 0 ? (factor - 1) * total : factor - 1) * cells.library_size[i] / library;
          double p = std::exp(-rate), u = draw(0) - p;
          for (double k = 1; u > 0 && k < 10000; ++k) {
            p *= rate / k;
            u -= p;
            made += 1;
          }
        }
        cells.counts[i * G + g] = static_cast<float>(made);
        sum += std::log1p(10000 * made / cells.library_size[i]) / static_cast<double>(n);
      }
      return sum;
    };
    const double target = std::max(0.0, mean[g]);
    double low = 0, high = 1;
    if (apply(1) < target)
      for (low = 1, high = 2; apply(high) < target && high < 500; high *= 2) low = high;
    for (int halving = 0; halving < 14; ++halving) {
      const double middle = (low + high) / 2;
      (apply(middle) < target ? low : high) = middle;
    }
    apply((low + high) / 2);
  }
  for (std::size_t i = 0; i < n * G; ++i)
    cells.expression[i] =
        static_cast<float>(std::log1p(10000 * static_cast<double>(cells.counts[i]) / cells.library_size[i / G]));
}

std::vector<double> tilted_weights(const std::vector<float>& positions, std::size_t width,
                                   const std::vector<float>& target, const std::vector<std::size_t>& among) {
  const std::size_t n = among.size();
  std::vector<double> lambda(width, 0), weight(n);
  auto z = [&](std::size_t i, std::size_t k) { return static_cast<double>(positions[among[i] * width + k]); };
  constexpr double ridge = 1e-3;
  // log sum exp(lambda . z) - lambda . target + ridge |lambda|^2 / 2, and the weights at lambda.
  auto value = [&](const std::vector<double>& l) {
    double largest = -1e300, sum = 0, dual = 0;
    for (std::size_t i = 0; i < n; ++i) {
      weight[i] = 0;
      for (std::size_t k = 0; k < width; ++k) weight[i] += l[k] * z(i, k);
      largest = std::max(largest, weight[i]);
    }
    for (double& w : weight) sum += w = std::exp(w - largest);
    for (double& w : weight) w /= sum;
    for (std::size_t k = 0; k < width; ++k) dual += ridge / 2 * l[k] * l[k] - l[k] * static_cast<double>(target[k]);
    return largest + std::log(sum) + dual;
  };
  double now = value(lambda);
  for (int iteration = 0; iteration < 50; ++iteration) {
    HostMatrix hessian(width, width), gradient(width, 1);
    std::vector<double> mean(width, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < width; ++k) mean[k] += weight[i] * z(i, k);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < width; ++k)
        for (std::size_t l = 0; l < width; ++l) hessian(k, l) += weight[i] * (z(i, k) - mean[k]) * (z(i, l) - mean[l]);
    double length = 0;
    for (std::size_t k = 0; k < width; ++k) {
      hessian(k, k) += ridge;
      gradient(k, 0) = mean[k] - static_cast<double>(target[k]) + ridge * lambda[k];
      length += gradient(k, 0) * gradient(k, 0);
    }
    if (length < 1e-12) break;
    const HostMatrix step = solve_symmetric(hessian, gradient);
    double slope = 0;
    for (std::size_t k = 0; k < width; ++k) slope += step(k, 0) * gradient(k, 0);
    double along = 1;
    for (; along > 1e-6; along /= 2) {
      std::vector<double> next(lambda);
      for (std::size_t k = 0; k < width; ++k) next[k] -= along * step(k, 0);
      const double then = value(next);
      if (then > now - 1e-4 * along * slope) continue;
      lambda = next, now = then;
      break;
    }
    if (along <= 1e-6) break;
  }
  value(lambda);
  std::vector<double> all(positions.size() / width, 0);
  for (std::size_t i = 0; i < n; ++i) all[among[i]] = weight[i];
  return all;
}

}  // namespace perturbine

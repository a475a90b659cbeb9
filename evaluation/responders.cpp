#include "evaluation/responders.h"

#include <algorithm>
#include <cmath>

#include "kernels/statistics/rank_sum.h"
#include "models/linear_algebra.h"

namespace perturbine {
namespace {

using Vector = std::vector<double>;

Vector mean_of(MatrixView<const float> m) {
  Vector mean(m.columns, 0);
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::size_t k = 0; k < m.columns; ++k) mean[k] += static_cast<double>(m(i, k)) / static_cast<double>(m.rows);
  return mean;
}

// Rows of one class by their numbers.
struct Rows {
  MatrixView<const float> cells;
  std::vector<std::size_t> number;
};

// w of a linear discriminant between control rows and one or two sets of perturbed rows: the pooled covariance, a fifth
// of it replaced by its mean variance, so that few cells do.
Vector discriminant(const Rows& control, const std::vector<Rows>& perturbed) {
  const std::size_t K = control.cells.columns;
  HostMatrix covariance(K, K), difference(K, 1);
  auto add_class = [&](const std::vector<Rows>& sets, double sign) {
    double n = 0;
    Vector mean(K, 0);
    for (const Rows& set : sets)
      for (const std::size_t i : set.number) {
        n += 1;
        for (std::size_t k = 0; k < K; ++k) mean[k] += static_cast<double>(set.cells(i, k));
      }
    for (std::size_t k = 0; k < K; ++k) mean[k] /= n, difference(k, 0) += sign * mean[k];
    for (const Rows& set : sets)
      for (const std::size_t i : set.number)
        for (std::size_t a = 0; a < K; ++a)
          for (std::size_t b = 0; b <= a; ++b)
            covariance(a, b) +=
                (static_cast<double>(set.cells(i, a)) - mean[a]) * (static_cast<double>(set.cells(i, b)) - mean[b]) / n;
  };
  add_class({control}, -1);
  add_class(perturbed, 1);
  double level = 0;
  for (std::size_t k = 0; k < K; ++k) level += covariance(k, k) / static_cast<double>(K);
  for (std::size_t a = 0; a < K; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      covariance(a, b) = .8 * covariance(a, b) + (a == b ? .2 * level + 1e-12 : 0);
      covariance(b, a) = covariance(a, b);
    }
  return solve_symmetric(covariance, difference).data;
}

// Share of pairs of a perturbed and a control row in the right order, ties half.
double area_under_curve(const Vector& w, const Rows& perturbed, const Rows& control) {
  auto scores = [&](const Rows& rows) {
    Vector s;
    for (const std::size_t i : rows.number) {
      double sum = 0;
      for (std::size_t k = 0; k < w.size(); ++k) sum += w[k] * static_cast<double>(rows.cells(i, k));
      s.push_back(sum);
    }
    std::sort(s.begin(), s.end());
    return s;
  };
  const Vector high = scores(perturbed), low = scores(control);
  double right = 0;
  for (const double s : high)
    right += static_cast<double>(std::lower_bound(low.begin(), low.end(), s) - low.begin()) +
             .5 * static_cast<double>(std::upper_bound(low.begin(), low.end(), s) -
                                      std::lower_bound(low.begin(), low.end(), s));
  return right / static_cast<double>(high.size() * low.size());
}

MatrixView<const float> first_rows(MatrixView<const float> m, std::size_t count) { return m.row_slice(0, count); }

}  // namespace

std::vector<float> along_change(MatrixView<const float> cells, MatrixView<const float> real,
                                MatrixView<const float> control) {
  Vector direction = mean_of(real);
  const Vector from = mean_of(control);
  for (std::size_t k = 0; k < direction.size(); ++k) direction[k] -= from[k];
  std::vector<float> at;
  for (std::size_t i = 0; i < cells.rows; ++i) {
    double s = 0;
    for (std::size_t k = 0; k < cells.columns; ++k) s += direction[k] * static_cast<double>(cells(i, k));
    at.push_back(static_cast<float>(s));
  }
  std::sort(at.begin(), at.end());
  return at;
}

double rare_fraction_error(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control) {
  const std::vector<float> made = along_change(x, y, control), real = along_change(y, y, control);
  const float threshold = formulas::quantile(real.data(), real.size(), .975f);
  auto share = [&](const std::vector<float>& at) {
    const auto beyond = static_cast<double>(at.end() - std::upper_bound(at.begin(), at.end(), threshold));
    return (beyond + 1) / static_cast<double>(at.size() + 1);
  };
  return std::abs(std::log2(share(made) / share(real)));
}

double silverman_bandwidth(const std::vector<float>& sorted) {
  const auto n = static_cast<double>(sorted.size());
  double mean = 0, square = 0;
  for (const float v : sorted) mean += static_cast<double>(v) / n;
  for (const float v : sorted) square += std::pow(static_cast<double>(v) - mean, 2) / std::max(1.0, n - 1);
  const double quartiles = static_cast<double>(formulas::quantile(sorted.data(), sorted.size(), .75f)) -
                           static_cast<double>(formulas::quantile(sorted.data(), sorted.size(), .25f));
  const double spread = std::sqrt(square);
  return .9 * (quartiles > 0 ? std::min(spread, quartiles / 1.34) : spread) * std::pow(n, -.2);
}

double second_mode(const std::vector<float>& sorted, double bandwidth) {
  if (sorted.size() < 2 || bandwidth <= 0) return 0;
  constexpr std::size_t points = 256;
  const double low = static_cast<double>(sorted.front()) - 3 * bandwidth,
               step = (static_cast<double>(sorted.back()) + 3 * bandwidth - low) / (points - 1);
  Vector density(points, 0);
  for (std::size_t i = 0; i < points; ++i)
    for (const float v : sorted) {
      const double z = (low + static_cast<double>(i) * step - static_cast<double>(v)) / bandwidth;
      density[i] += std::exp(-.5 * z * z);
    }
  const auto top = std::max_element(density.begin(), density.end());
  // Of every other peak: down to the valley on the way to a higher point, on the side where that lies higher.
  double prominence = 0;
  for (std::size_t i = 1; i + 1 < points; ++i) {
    if (density.begin() + static_cast<std::ptrdiff_t>(i) == top || density[i] < density[i - 1] ||
        density[i] <= density[i + 1])
      continue;
    double valley = 0;
    for (const int direction : {-1, 1}) {
      double least = density[i];
      for (auto j = static_cast<std::ptrdiff_t>(i) + direction; j >= 0 && j < static_cast<std::ptrdiff_t>(points);
           j += direction) {
        const double d = density[static_cast<std::size_t>(j)];
        least = std::min(least, d);
        if (d > density[i]) {
          valley = std::max(valley, least);
          break;
        }
      }
    }
    prominence = std::max(prominence, density[i] - valley);
  }
  return prominence / *top;
}

double bimodality_error(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control) {
  const std::size_t n = std::min(x.rows, y.rows);
  const auto made = along_change(first_rows(x, n), y, control), real = along_change(first_rows(y, n), y, control);
  const double bandwidth = silverman_bandwidth(real);
  return std::abs(second_mode(made, bandwidth) - second_mode(real, bandwidth));
}

double augmentation_gain(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control) {
  constexpr std::size_t few = 10;
  if (y.rows < 2 * few || control.rows < 2 * few) return std::nan("");
  Rows learn{control, {}}, judge{control, {}}, generated{x, {}};
  for (std::size_t i = 0; i < control.rows; ++i) (i % 2 == 0 ? learn : judge).number.push_back(i);
  for (std::size_t i = 0; i < x.rows; ++i) generated.number.push_back(i);
  const std::size_t draws = std::min<std::size_t>(10, y.rows / few);
  double gain = 0;
  for (std::size_t d = 0; d < draws; ++d) {
    Rows known{y, {}}, others{y, {}};
    for (std::size_t i = 0; i < y.rows; ++i)
      (i % draws == d && known.number.size() < few ? known : others).number.push_back(i);
    gain += area_under_curve(discriminant(learn, {known, generated}), others, judge) -
            area_under_curve(discriminant(learn, {known}), others, judge);
  }
  return gain / static_cast<double>(draws);
}

}  // namespace perturbine

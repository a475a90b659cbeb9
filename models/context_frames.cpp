#include "models/context_frames.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace perturbine {
namespace {

constexpr std::size_t folds = 5;
constexpr std::size_t least_controls = 12, least_degrees = 10;
constexpr double shares[] = {.02, .05, .1, .2, .3, .5, .7, .85, 1};

// Sum of outer products of the rows `which(i)` says of x [rows, width].
template <class Which>
HostMatrix outer_products(const std::vector<double>& x, std::size_t width, Which&& which) {
  HostMatrix sum(width, width);
  for (std::size_t i = 0; i < x.size() / width; ++i) {
    if (!which(i)) continue;
    const double* row = x.data() + i * width;
    for (std::size_t a = 0; a < width; ++a)
      for (std::size_t b = 0; b <= a; ++b) sum(a, b) += row[a] * row[b];
  }
  for (std::size_t a = 0; a < width; ++a)
    for (std::size_t b = 0; b < a; ++b) sum(b, a) = sum(a, b);
  return sum;
}

HostMatrix divided(HostMatrix m, double by) {
  for (double& v : m.data) v /= by;
  return m;
}

// The share of the identity in a context's covariance: x [cells, width] its residuals in units of the variances of all.
double chosen_share(const std::vector<double>& x, std::size_t width) {
  const std::size_t n = x.size() / width;
  std::vector<double> score(std::size(shares), 0);
  for (std::size_t fold = 0; fold < folds; ++fold) {
    const auto left_out = [&](std::size_t i) { return i % folds == fold; };
    std::size_t judges = 0;
    for (std::size_t i = 0; i < n; ++i) judges += left_out(i) ? 1 : 0;
    const SymmetricEigen e = symmetric_eigen(divided(
        outer_products(x, width, [&](std::size_t i) { return !left_out(i); }), static_cast<double>(n - judges)));
    const HostMatrix judged = outer_products(x, width, left_out);
    for (std::size_t k = 0; k < width; ++k) {
      double square = 0;  // of the judges along this direction
      for (std::size_t a = 0; a < width; ++a)
        for (std::size_t b = 0; b < width; ++b) square += e.vectors(a, k) * judged(a, b) * e.vectors(b, k);
      for (std::size_t s = 0; s < score.size(); ++s) {
        const double variance = (1 - shares[s]) * std::max(0.0, e.values[k]) + shares[s];
        score[s] -= .5 * (static_cast<double>(judges) * std::log(variance) + square / variance);
      }
    }
  }
  return shares[std::max_element(score.begin(), score.end()) - score.begin()];
}

// P^(1/2) V f(d) V^T P^(-1/2), P = deviation^2.
template <class F>
HostMatrix in_units(const SymmetricEigen& e, const std::vector<double>& deviation, F&& f) {
  const std::size_t K = deviation.size();
  HostMatrix m(K, K);
  for (std::size_t a = 0; a < K; ++a)
    for (std::size_t b = 0; b < K; ++b) {
      double sum = 0;
      for (std::size_t k = 0; k < K; ++k) sum += e.vectors(a, k) * f(e.values[k]) * e.vectors(b, k);
      m(a, b) = deviation[a] * sum / deviation[b];
    }
  return m;
}

}  // namespace

ContextFrames::ContextFrames(const TrainingData& data, const std::vector<float>& residuals,
                             const std::vector<double>& variance) {
  const std::size_t K = variance.size();
  std::vector<double> deviation;
  for (const double v : variance) deviation.push_back(std::sqrt(v));
  double least = 1, most = 0;
  std::size_t own = 0;
  for (std::size_t c = 0; c < data.contexts.size(); ++c) {
    frames_.emplace_back();
    std::vector<std::size_t> cells, controls;
    std::set<std::int32_t> conditions;
    for (std::size_t i = 0; i < data.cells(); ++i) {
      if (static_cast<std::size_t>(data.context[i]) != c) continue;
      cells.push_back(i);
      conditions.insert(data.condition[i]);
      if (data.condition[i] == 0) controls.push_back(i);
    }
    if (controls.size() >= least_controls) cells = controls, conditions = {0};
    if (cells.size() < conditions.size() + least_degrees) continue;
    std::vector<double> x;
    for (const std::size_t i : cells)
      for (std::size_t k = 0; k < K; ++k) x.push_back(static_cast<double>(residuals[i * K + k]) / deviation[k]);
    // The means the residuals are about are the cells' own.
    const auto n = static_cast<double>(cells.size()), degrees = n - static_cast<double>(conditions.size());
    for (double& v : x) v *= std::sqrt(n / degrees);
    const double share = chosen_share(x, K);
    if (share == 1) continue;
    least = std::min(least, share), most = std::max(most, share), ++own;
    SymmetricEigen e = symmetric_eigen(divided(outer_products(x, K, [](std::size_t) { return true; }), n));
    Frame& frame = frames_.back();
    for (double& v : e.values) {
      v = (1 - share) * std::max(0.0, v) + share;
      frame.log_volume -= .5 * std::log(v);
    }
    frame.to = in_units(e, deviation, [](double v) { return 1 / std::sqrt(v); });
    frame.from = in_units(e, deviation, [](double v) { return std::sqrt(v); });
  }
  variance_ = variance;
  if (own == 0) return;
  std::vector<float> framed = residuals;
  enter_each(data.context, framed);
  variance_ = variance_about_means(data, framed);
  report_ = text("covariance of residuals: ", own, " of ", data.contexts.size(),
                 " contexts have their own; share of the common variances in it, by the likelihood of cells left out: ",
                 least, least == most ? "" : text(" to ", most));
}

void ContextFrames::apply(std::size_t context, std::span<float> residuals, bool entering) const {
  if (!exists(context)) return;
  const HostMatrix& m = entering ? frames_[context].to : frames_[context].from;
  std::vector<double> row(m.rows);
  for (std::size_t first = 0; first < residuals.size(); first += m.rows) {
    for (std::size_t a = 0; a < m.rows; ++a) {
      row[a] = 0;
      for (std::size_t b = 0; b < m.rows; ++b) row[a] += m(a, b) * static_cast<double>(residuals[first + b]);
    }
    for (std::size_t a = 0; a < m.rows; ++a) residuals[first + a] = static_cast<float>(row[a]);
  }
}

void ContextFrames::enter_each(const std::vector<std::int32_t>& context, std::vector<float>& residuals) const {
  if (context.empty()) return;
  const std::size_t K = residuals.size() / context.size();
  for (std::size_t i = 0; i < context.size(); ++i)
    enter(static_cast<std::size_t>(context[i]), std::span(residuals).subspan(i * K, K));
}

}  // namespace perturbine

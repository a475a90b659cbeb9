#include "models/mean_uncertainty.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace perturbine {
namespace {

constexpr double lambda = .1, least_share = .02;
constexpr std::size_t least_pairs = 3;

// The scale that 90 % of the ratios of a group never met lie within, all groups counting alike. The 90 % quantile of
// the groups there are is too small where groups differ and are few; how much is seen by leaving out each group in
// turn: the 90 % quantile of every ratio over the quantile of the other groups.
double interval_scale(const std::vector<std::vector<double>>& groups) {
  struct Value {
    double ratio;
    std::size_t group;
  };
  std::vector<Value> values;
  for (std::size_t k = 0; k < groups.size(); ++k)
    for (const double r : groups[k]) values.push_back({r, k});
  auto sort = [&] { std::sort(values.begin(), values.end(), [](auto& a, auto& b) { return a.ratio > b.ratio; }); };
  const double counted = static_cast<double>(groups.size());
  auto quantile_90 = [&](std::size_t left_out, double count) {
    double above = 0;
    for (const Value& v : values) {
      if (v.group == left_out) continue;
      above += 1 / static_cast<double>(groups[v.group].size());
      if (above > .1 * count) return v.ratio;
    }
    return values.back().ratio;
  };
  sort();
  const double of_all = quantile_90(groups.size(), counted);
  if (groups.size() < 2) return of_all;
  std::vector<double> of_others(groups.size());
  for (std::size_t k = 0; k < groups.size(); ++k) of_others[k] = std::max(1e-12, quantile_90(k, counted - 1));
  for (Value& v : values) v.ratio /= of_others[v.group];
  sort();
  return of_all * quantile_90(groups.size(), counted);
}

// Variance of cells within a condition and context, averaged over perturbed ones, and their numbers of cells.
std::vector<double> within_variance(const TrainingData& data,
                                    std::map<std::pair<std::string, std::size_t>, double>& cells_of) {
  const std::size_t G = data.genes;
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < data.cells(); ++i)
    if (data.condition[i] != 0) groups[{data.condition[i], data.context[i]}].push_back(i);
  std::vector<double> total(G, 0);
  double counted = 0;
  for (const auto& [key, cells] : groups) {
    const double n = static_cast<double>(cells.size());
    cells_of[{canonical_label(data.conditions[static_cast<std::size_t>(key.first)]),
              static_cast<std::size_t>(key.second)}] = n;
    if (cells.size() < 2) continue;
    counted += 1;
    std::vector<double> mean(G, 0), square(G, 0);
    for (const std::size_t i : cells)
      for (std::size_t g = 0; g < G; ++g) {
        const double v = static_cast<double>(data.row(i)[g]);
        mean[g] += v / n, square[g] += v * v / n;
      }
    for (std::size_t g = 0; g < G; ++g) total[g] += std::max(0.0, square[g] - mean[g] * mean[g]) * n / (n - 1);
  }
  for (double& v : total) v /= std::max(1.0, counted);
  return total;
}

// Errors of pairs that were left out, in stated deviations.
struct Ratios {
  std::vector<std::vector<double>> ratio;  // |error| / sd of every gene, by pair
  double squared_error = 0, variance = 0;
};

// Few values of a gene lean on the average gene.
void smooth(std::vector<double>& square, double values) {
  double average = 0;
  for (const double v : square) average += v / static_cast<double>(square.size());
  for (double& v : square) v = (values * v + 4 * average) / (values + 4);
}

}  // namespace

MeanUncertainty::MeanUncertainty(const TrainingData& data, const ClosedFormMean& means) {
  const EffectTable& effects = means.effects();
  const std::size_t G = effects.genes();
  std::map<std::pair<std::string, std::size_t>, double> cells_of;
  within_ = within_variance(data, cells_of);
  for (const auto& row : effects.rows())
    for (const auto& part : row.condition.parts) number_.emplace(part.name, number_.size());
  const std::size_t P = number_.size();
  HostMatrix gram(P, P), identity(P, P);
  part_square_.assign(G, 0);
  for (std::size_t k = 0; k < P; ++k) gram(k, k) = lambda, identity(k, k) = 1;
  for (const auto& row : effects.rows()) {
    double weight = 0;
    for (const auto& a : row.condition.parts) {
      weight += a.weight * a.weight;
      for (const auto& b : row.condition.parts) gram(number_[a.name], number_[b.name]) += a.weight * b.weight;
    }
    for (std::size_t g = 0; g < G; ++g)
      part_square_[g] += row.delta[g] * row.delta[g] / weight / static_cast<double>(effects.rows().size());
  }
  if (P > 0) inverse_ = solve_symmetric(gram, identity);
  smooth(part_square_, static_cast<double>(effects.rows().size()));

  // Errors of training pairs, each left out.
  struct Judged {
    Kind kind;
    double leverage, cells;
    std::vector<double> error;
  };
  std::vector<Judged> judged;
  std::map<std::string, const Condition*> condition_of;
  for (const auto& row : effects.rows()) condition_of[canonical_label(row.condition)] = &row.condition;
  transfer_square_.assign(G, 0);
  double transferred = 0;
  for (const auto& [key, pair] : effects.pairs()) {
    const Query q{*condition_of.at(key.first), key.second};
    if (effects.rows().size() < 2 && !means.transfers(q)) continue;
    Judged j{means.transfers(q) ? Kind{} : Kind{stratum_of(q.condition, effects)}, 0, cells_of.at(key),
             means.left_out_mean(q)};
    const double h = leverage(q.condition) / lambda;
    j.leverage = lambda * h / std::max(1e-6, 1 - h);  // without the row itself (Sherman and Morrison 1950)
    const auto& control = effects.control_mean(q.context);
    for (std::size_t g = 0; g < G; ++g) j.error[g] -= control[g] + pair.delta[g];
    if (!j.kind) {
      transferred += 1;
      j.leverage = std::pow(std::max(1e-6, means.nearest_context(q)), 2);
      for (std::size_t g = 0; g < G; ++g) transfer_square_[g] += j.error[g] * j.error[g] / j.leverage;
    }
    judged.push_back(std::move(j));
  }
  if (judged.size() < least_pairs) return;
  const std::vector<double> sum = transfer_square_;
  double squared_error = 0, total_variance = 0;
  std::map<Kind, Ratios> ratios;
  for (const Judged& j : judged) {
    if (!j.kind) {
      // What the other pairs say.
      for (std::size_t g = 0; g < G; ++g)
        transfer_square_[g] = (sum[g] - j.error[g] * j.error[g] / j.leverage) / std::max(1.0, transferred - 1);
      smooth(transfer_square_, transferred - 1);
    }
    const auto v = variance(j.kind, j.leverage, j.cells);
    Ratios& to = ratios[j.kind];
    ++judged_[j.kind];
    to.ratio.emplace_back(G);
    for (std::size_t g = 0; g < G; ++g) {
      to.ratio.back()[g] = std::abs(j.error[g]) / std::sqrt(std::max(1e-12, v[g]));
      to.squared_error += j.error[g] * j.error[g], to.variance += v[g];
    }
  }
  if (transferred > 0) {
    transfer_square_ = sum;
    for (double& v : transfer_square_) v /= transferred;
    smooth(transfer_square_, transferred);
  }
  // A kind that was never judged is to the kinds that were what a pair is to the pairs of its kind.
  std::vector<std::vector<double>> by_kind;
  for (const auto& [kind, r] : ratios) {
    by_kind.emplace_back();
    for (const auto& pair : r.ratio) by_kind.back().insert(by_kind.back().end(), pair.begin(), pair.end());
    squared_error += r.squared_error, total_variance += r.variance;
  }
  scale_of_all_ = {interval_scale(by_kind.size() > 1 ? by_kind : ratios.begin()->second.ratio),
                   squared_error / std::max(1e-300, total_variance)};
  for (const auto& [kind, r] : ratios) {
    if (judged_[kind] < least_pairs) continue;
    // The norm's scale hangs on the largest errors of a few pairs: it leans on that of all.
    const double n = static_cast<double>(judged_[kind]);
    scale_[kind] = {interval_scale(r.ratio), std::pow(r.squared_error / std::max(1e-300, r.variance), n / (n + 4)) *
                                                 std::pow(scale_of_all_.square, 4 / (n + 4))};
  }
}

double MeanUncertainty::leverage(const Condition& condition) const {
  double u = 0;
  for (const auto& a : condition.parts) {
    const auto i = number_.find(a.name);
    if (i == number_.end()) {
      u += a.weight * a.weight;
      continue;
    }
    for (const auto& b : condition.parts)
      if (const auto j = number_.find(b.name); j != number_.end())
        u += lambda * a.weight * b.weight * inverse_(i->second, j->second);
  }
  return u;
}

std::vector<double> MeanUncertainty::variance(const Kind& kind, double u, double cells) const {
  std::vector<double> v(within_.size());
  for (std::size_t g = 0; g < v.size(); ++g)
    v[g] =
        (cells > 0 ? within_[g] / cells : 0) + (kind ? (u + least_share) * part_square_[g] : u * transfer_square_[g]);
  return v;
}

MeanStatement MeanUncertainty::state(const Query& q, const ClosedFormMean& means, std::size_t cells) const {
  if (scale_of_all_.interval == 0 || q.between || q.condition.is_control() || means.was_seen(q)) return {};
  const Kind kind = means.transfers(q) ? Kind{} : Kind{stratum_of(q.condition, means.effects())};
  const auto found = scale_.find(kind);
  const Scale& scale = found == scale_.end() ? scale_of_all_ : found->second;
  MeanStatement s{
      variance(kind, kind ? leverage(q.condition) : std::pow(means.nearest_context(q), 2), static_cast<double>(cells)),
      0};
  for (double& v : s.half_width) {
    s.error += scale.square * v;
    v = scale.interval * std::sqrt(v);
  }
  s.error = std::sqrt(s.error);
  return s;
}

std::vector<std::string> MeanUncertainty::report() const {
  std::vector<std::string> lines;
  if (scale_of_all_.interval == 0) return {"intervals of means: too few training conditions to judge by"};
  std::string s = "intervals of means: scale of the stated deviation";
  for (const auto& [kind, scale] : scale_)
    s += text("; ",
              kind ? text(kind->parts, " part(s), ", kind->seen, " seen alone, ", kind->met, " met",
                          kind->between_doses > 0 ? ", between doses" : "")
                   : "new context",
              " ", scale.interval, " (", judged_.at(kind), " left out)");
  lines.push_back(s + text("; elsewhere ", scale_of_all_.interval));
  return lines;
}

}  // namespace perturbine

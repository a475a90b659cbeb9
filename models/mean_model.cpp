#include "models/mean_model.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/core/joined.h"

namespace perturbine {

EffectTable::EffectTable(const TrainingData& data) : genes_(data.genes), features_(data.features) {
  const std::size_t G = data.genes, C = data.contexts.size(), L = data.conditions.size();
  std::vector<std::vector<double>> sum(L * C, std::vector<double>(G, 0)), square = sum;
  std::vector<double> count(L * C, 0);
  for (std::size_t i = 0; i < data.cells(); ++i) {
    const auto k = static_cast<std::size_t>(data.condition[i]) * C + static_cast<std::size_t>(data.context[i]);
    count[k] += 1;
    for (std::size_t g = 0; g < G; ++g) {
      const double v = static_cast<double>(data.row(i)[g]);
      sum[k][g] += v;
      square[k][g] += v * v;
    }
  }
  // Sum over genes of the variance of a mean.
  auto error = [&](std::size_t k) {
    double e = 0;
    for (std::size_t g = 0; g < G; ++g) {
      const double m = sum[k][g] / count[k];
      e += std::max(0.0, square[k][g] / count[k] - m * m) / std::max(1.0, count[k] - 1);
    }
    return e;
  };
  // Contexts without controls borrow the mean over all controls.
  std::vector<double> all(G, 0);
  double controls = 0;
  for (std::size_t c = 0; c < C; ++c) {
    controls += count[c];
    for (std::size_t g = 0; g < G; ++g) all[g] += sum[c][g];
  }
  require(controls > 0, "no control cells to train on");
  for (double& v : all) v /= controls;
  for (std::size_t c = 0; c < C; ++c) {
    control_mean_.push_back(all);
    if (count[c] > 0)
      for (std::size_t g = 0; g < G; ++g) control_mean_[c][g] = sum[c][g] / count[c];
  }
  for (std::size_t l = 1; l < L; ++l) {
    Row row{data.conditions[l], std::vector<double>(G, 0), 0};
    double seen = 0;
    for (std::size_t c = 0; c < C; ++c) {
      const std::size_t k = l * C + c;
      if (count[k] == 0) continue;
      seen += 1;
      std::vector<double> delta(G);
      for (std::size_t g = 0; g < G; ++g) delta[g] = sum[k][g] / count[k] - control_mean_[c][g];
      for (std::size_t g = 0; g < G; ++g) row.delta[g] += delta[g];
      const double squared_error = error(k) + (count[c] > 0 ? error(c) : 0);
      row.squared_error += squared_error;
      pairs_[{canonical_label(row.condition), c}] = {std::move(delta), squared_error};
    }
    if (seen == 0) continue;
    for (double& v : row.delta) v /= seen;
    row.squared_error /= seen * seen;
    rows_.push_back(std::move(row));
  }
}

const std::vector<double>* EffectTable::observed(const Condition& condition, std::size_t context) const {
  const auto found = pairs_.find({canonical_label(condition), context});
  return found == pairs_.end() ? nullptr : &found->second.delta;
}

EffectTable EffectTable::shrunk() const {
  EffectTable t = *this;
  for (Row& r : t.rows_) {
    double power = 0;
    for (const double v : r.delta) power += v * v;
    const double keep = power > 0 ? std::max(0.0, 1 - r.squared_error / power) : 0;
    for (double& v : r.delta) v *= keep;
  }
  return t;
}

EffectTable EffectTable::without(std::size_t row) const {
  EffectTable t = *this;
  t.rows_.erase(t.rows_.begin() + static_cast<std::ptrdiff_t>(row));
  return t;
}

std::string MeanRule::name() const {
  switch (kind) {
    case Kind::no_change:
      return "no-change";
    case Kind::mean:
      return "mean";
    default:
      break;
  }
  const std::string s = kind == Kind::additive
                            ? std::string("additive")
                            : text("ridge(lambda ", lambda, ", prior ", prior, shrunk ? ")" : ", as observed)");
  return features > 0 ? text(s, " with features(", features, ")") : s;
}

FittedMean::FittedMean(const EffectTable& table, const MeanRule& rule, const Condition* only)
    : rule_(rule), genes_(table.genes()), mean_(table.genes(), 0) {
  const auto& rows = table.rows();
  for (const auto& r : rows)
    for (std::size_t g = 0; g < genes_; ++g) mean_[g] += r.delta[g] / static_cast<double>(rows.size());
  if (rule.kind == MeanRule::Kind::additive) {
    for (const auto& r : rows)
      if (r.condition.parts.size() == 1) curve_[r.condition.parts[0].name][r.condition.parts[0].weight] = r.delta;
    for (const auto& [name, curve] : curve_) part_[name] = at(curve, 1);
  } else if (rule.kind == MeanRule::Kind::ridge && !rows.empty()) {
    std::map<std::string, std::size_t> number;
    for (const auto& r : rows)
      for (const auto& p : r.condition.parts) number.emplace(p.name, number.size());
    HostMatrix A(rows.size(), number.size()), Y(rows.size(), genes_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      double total = 0;
      for (const auto& p : rows[i].condition.parts) {
        A(i, number[p.name]) = p.weight;
        total += p.weight;
      }
      for (std::size_t g = 0; g < genes_; ++g) Y(i, g) = rows[i].delta[g] - total * rule.prior * mean_[g];
    }
    if (only != nullptr && rule.features == 0)
      std::erase_if(number, [&](const auto& named) {
        return std::none_of(only->parts.begin(), only->parts.end(),
                            [&](const auto& p) { return p.name == named.first; });
      });
    std::vector<std::size_t> which;
    for (const auto& [name, k] : number) which.push_back(k);
    const HostMatrix W = ridge_rows(A, Y, rule.lambda, which);
    std::size_t row = 0;
    for (const auto& [name, k] : number) {
      std::vector<double>& w = part_[name];
      w.resize(genes_);
      for (std::size_t g = 0; g < genes_; ++g) w[g] = rule.prior * mean_[g] + W(row, g);
      ++row;
    }
  }
  if (rule.features > 0) learn_from_features(table);
}

namespace {
double squared_distance(const float* a, const float* b, std::size_t width) {
  double sum = 0;
  for (std::size_t k = 0; k < width; ++k) sum += std::pow(static_cast<double>(a[k]) - static_cast<double>(b[k]), 2);
  return sum;
}
}  // namespace

std::vector<double> FittedMean::at(const DoseCurve& curve, double weight) {
  // Points (dose, change), zero first.
  std::vector<double> dose{0};
  std::vector<const std::vector<double>*> change{nullptr};
  for (const auto& [d, delta] : curve) dose.push_back(d), change.push_back(&delta);
  const std::size_t n = dose.size(), G = change.back()->size();
  auto y = [&](std::size_t i, std::size_t g) { return i == 0 ? 0 : (*change[i])[g]; };
  std::vector<double> out(G);
  if (weight >= dose.back() || n == 2) {
    const double factor = n == 2 ? weight / dose[1] : 1;
    for (std::size_t g = 0; g < G; ++g) out[g] = factor * y(n - 1, g);
    return out;
  }
  std::size_t k = 1;
  while (dose[k] < weight) ++k;
  const double width = dose[k] - dose[k - 1], t = (weight - dose[k - 1]) / width;
  for (std::size_t g = 0; g < G; ++g) {
    auto slope = [&](std::size_t i) { return (y(i, g) - y(i - 1, g)) / (dose[i] - dose[i - 1]); };
    // Tangents by weighted harmonic means, zero at turns (Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984)
    // 300).
    auto tangent = [&](std::size_t i) {
      if (i == 0) return slope(1);
      if (i + 1 == n) return slope(n - 1);
      const double a = slope(i), b = slope(i + 1), ha = dose[i] - dose[i - 1], hb = dose[i + 1] - dose[i];
      if (a * b <= 0) return 0.0;
      const double wa = 2 * hb + ha, wb = hb + 2 * ha;
      return (wa + wb) / (wa / a + wb / b);
    };
    const double a = y(k - 1, g), b = y(k, g), da = width * tangent(k - 1), db = width * tangent(k);
    const double u = 1 - t;
    out[g] = a * (1 + 2 * t) * u * u + b * (3 - 2 * t) * t * t + da * t * u * u - db * t * t * u;
  }
  return out;
}

void FittedMean::learn_from_features(const EffectTable& table) {
  if (table.features() == nullptr) return;
  features_ = table.shared_features();
  std::vector<const std::vector<double>*> effects;
  for (const auto& [name, effect] : part_)
    if (const float* x = features_->find(name)) known_.push_back(x), effects.push_back(&effect);
  const std::size_t n = known_.size();
  if (n < 3) {
    known_.clear();
    return;
  }
  std::vector<double> distances;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) distances.push_back(squared_distance(known_[i], known_[j], features_->width));
  std::nth_element(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2),
                   distances.end());
  width_ = std::max(1e-12, distances[distances.size() / 2]);
  HostMatrix K(n, n), D(n, genes_);
  for (std::size_t g = 0; g < genes_; ++g) {
    double mean = 0;
    for (const auto* e : effects) mean += (*e)[g] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) D(i, g) = (*effects[i])[g] - mean;
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      K(i, j) = std::exp(-squared_distance(known_[i], known_[j], features_->width) / (2 * width_));
    K(i, i) += rule_.features;
  }
  weights_ = solve_symmetric(K, D);
}

std::vector<double> FittedMean::by_features(const std::string& part) const {
  const float* x = known_.empty() ? nullptr : features_->find(part);
  if (x == nullptr) return {};
  std::vector<double> d(genes_, 0);
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const double k = std::exp(-squared_distance(known_[i], x, features_->width) / (2 * width_));
    for (std::size_t g = 0; g < genes_; ++g) d[g] += k * weights_(i, g);
  }
  return d;
}

std::vector<double> FittedMean::delta(const Condition& condition) const {
  std::vector<double> d(genes_, 0);
  if (condition.is_control() || rule_.kind == MeanRule::Kind::no_change) return d;
  if (rule_.kind == MeanRule::Kind::mean) return mean_;
  for (const auto& p : condition.parts) {
    if (const auto curve = curve_.find(p.name); curve != curve_.end()) {
      const auto effect = at(curve->second, p.weight);
      for (std::size_t g = 0; g < genes_; ++g) d[g] += effect[g];
      continue;
    }
    const auto found = part_.find(p.name);
    const double unknown = rule_.kind == MeanRule::Kind::ridge ? rule_.prior : 1;
    const std::vector<double> deviation = found == part_.end() ? by_features(p.name) : std::vector<double>{};
    for (std::size_t g = 0; g < genes_; ++g)
      d[g] += p.weight *
              (found != part_.end() ? found->second[g] : unknown * mean_[g] + (deviation.empty() ? 0 : deviation[g]));
  }
  return d;
}

Stratum stratum_of(const Condition& condition, const EffectTable& table) {
  Stratum s{condition.parts.size(), 0, 0, 0};
  for (const auto& p : condition.parts) {
    bool alone = false, within = false, between = false;
    for (const auto& r : table.rows()) {
      if (r.condition == condition) continue;
      for (const auto& other : r.condition.parts)
        if (other.name == p.name) {
          (r.condition.parts.size() == 1 ? alone : within) = true;
          between = between || (r.condition.parts.size() == 1 && other.weight > p.weight);
        }
    }
    s.seen += alone ? 1 : 0;
    s.met += within && !alone ? 1 : 0;
    s.between_doses += between ? 1 : 0;
  }
  return s;
}

RuleChoice::RuleChoice(const EffectTable& table) {
  std::vector<MeanRule> rules{
      {MeanRule::Kind::no_change, 0, 0}, {MeanRule::Kind::mean, 0, 0}, {MeanRule::Kind::additive, 0, 0}};
  for (const double lambda : {.05, .1, .3})
    for (const double prior : {0., .5, 1.}) rules.push_back({MeanRule::Kind::ridge, lambda, prior});
  if (table.features() != nullptr)
    for (const double lambda : {.3, 1., 3.}) {
      rules.push_back({MeanRule::Kind::additive, 0, 0, true, lambda});
      for (const double prior : {.5, 1.}) rules.push_back({MeanRule::Kind::ridge, .1, prior, true, lambda});
    }
  const EffectTable shrunk = table.shrunk();
  std::map<Stratum, std::vector<double>> error;
  std::map<Stratum, std::size_t> count;
  std::vector<double> all(rules.size(), 0);
  for (std::size_t i = 0; i < table.rows().size(); ++i) {
    const EffectTable rest = shrunk.without(i);
    if (rest.rows().empty()) continue;
    const Condition& held_out = table.rows()[i].condition;
    const Stratum s = stratum_of(held_out, rest);
    auto& e = error[s];
    e.resize(rules.size(), 0);
    ++count[s];
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto d = FittedMean(rest, rules[r], &held_out).delta(held_out);
      double sum = 0;  // judged against the observed change itself, not its shrunken form
      for (std::size_t g = 0; g < d.size(); ++g) sum += std::pow(d[g] - table.rows()[i].delta[g], 2);
      e[r] += std::sqrt(sum);
      all[r] += std::sqrt(sum);
    }
  }
  auto best = [](const std::vector<double>& e) {
    return static_cast<std::size_t>(std::min_element(e.begin(), e.end()) - e.begin());
  };
  fallback_ = rules[best(all)];
  for (const auto& [s, e] : error) {
    if (count[s] >= 3) chosen_[s] = rules[best(e)];
    // The best of each kind, with features and without.
    std::map<std::pair<MeanRule::Kind, bool>, std::size_t> shown;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto [at, fresh] = shown.emplace(std::pair{rules[r].kind, rules[r].features > 0}, r);
      if (!fresh && e[r] < e[at->second]) at->second = r;
    }
    std::vector<std::string> errors;
    for (const auto& [kind, r] : shown)
      errors.push_back(text(rules[r].name(), " ", e[r] / static_cast<double>(count[s])));
    report_.push_back(text(s.parts, " part(s), ", s.seen, " seen alone, ", s.met, " met in combinations",
                           s.between_doses > 0 ? text(", ", s.between_doses, " between doses") : std::string(), ": ",
                           count[s], " training conditions, ",
                           count[s] >= 3 ? "chose " + chosen_[s].name() : std::string("too few to choose"),
                           "; leave-one-out L2: ", joined(errors)));
  }
}

const MeanRule& RuleChoice::rule(const Stratum& s) const {
  const auto found = chosen_.find(s);
  if (found != chosen_.end()) return found->second;
  return s.seen > 0 ? additive_ : s.met > 0 ? met_ : fallback_;
}

std::vector<std::string> RuleChoice::report() const { return report_; }

}  // namespace perturbine

#include "models/mean_model.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/core/error.h"

namespace perturbine {

EffectTable::EffectTable(const TrainingData& data) : genes_(data.genes) {
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
    case Kind::additive:
      return "additive";
    default:
      return text("ridge(lambda ", lambda, ", prior ", prior, shrunk ? ")" : ", as observed)");
  }
}

FittedMean::FittedMean(const EffectTable& table, const MeanRule& rule)
    : rule_(rule), genes_(table.genes()), mean_(table.genes(), 0) {
  const auto& rows = table.rows();
  for (const auto& r : rows)
    for (std::size_t g = 0; g < genes_; ++g) mean_[g] += r.delta[g] / static_cast<double>(rows.size());
  if (rule.kind == MeanRule::Kind::additive) {
    for (const auto& r : rows)
      if (r.condition.parts.size() == 1) part_[r.condition.parts[0].name] = r.delta;
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
    const HostMatrix W = ridge(A, Y, rule.lambda);
    for (const auto& [name, k] : number) {
      std::vector<double>& w = part_[name];
      w.resize(genes_);
      for (std::size_t g = 0; g < genes_; ++g) w[g] = rule.prior * mean_[g] + W(k, g);
    }
  }
}

std::vector<double> FittedMean::delta(const Condition& condition) const {
  std::vector<double> d(genes_, 0);
  if (condition.is_control() || rule_.kind == MeanRule::Kind::no_change) return d;
  if (rule_.kind == MeanRule::Kind::mean) return mean_;
  for (const auto& p : condition.parts) {
    const auto found = part_.find(p.name);
    const double unknown = rule_.kind == MeanRule::Kind::ridge ? rule_.prior : 1;
    for (std::size_t g = 0; g < genes_; ++g)
      d[g] += p.weight * (found != part_.end() ? found->second[g] : unknown * mean_[g]);
  }
  return d;
}

Stratum stratum_of(const Condition& condition, const EffectTable& table) {
  Stratum s{condition.parts.size(), 0, 0};
  for (const auto& p : condition.parts) {
    bool alone = false, within = false;
    for (const auto& r : table.rows()) {
      if (r.condition == condition) continue;
      for (const auto& other : r.condition.parts)
        if (other.name == p.name) (r.condition.parts.size() == 1 ? alone : within) = true;
    }
    s.seen += alone ? 1 : 0;
    s.met += within && !alone ? 1 : 0;
  }
  return s;
}

RuleChoice::RuleChoice(const EffectTable& table) {
  std::vector<MeanRule> rules{
      {MeanRule::Kind::no_change, 0, 0}, {MeanRule::Kind::mean, 0, 0}, {MeanRule::Kind::additive, 0, 0}};
  for (const double lambda : {.05, .1, .3})
    for (const double prior : {0., .5, 1.}) rules.push_back({MeanRule::Kind::ridge, lambda, prior});
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
      const auto d = FittedMean(rest, rules[r]).delta(held_out);
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
    std::string errors;
    for (std::size_t r = 0; r < rules.size(); ++r)
      errors += text(r == 0 ? "" : ", ", rules[r].name(), " ", e[r] / static_cast<double>(count[s]));
    report_.push_back(text(s.parts, " part(s), ", s.seen, " seen alone, ", s.met, " met in combinations: ", count[s],
                           " training conditions, ",
                           count[s] >= 3 ? "chose " + chosen_[s].name() : std::string("too few to choose"),
                           "; leave-one-out L2: ", errors));
  }
}

const MeanRule& RuleChoice::rule(const Stratum& s) const {
  const auto found = chosen_.find(s);
  if (found != chosen_.end()) return found->second;
  return s.seen > 0 ? additive_ : s.met > 0 ? met_ : fallback_;
}

std::vector<std::string> RuleChoice::report() const { return report_; }

}  // namespace perturbine

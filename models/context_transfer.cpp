#include "models/context_transfer.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace perturbine {

std::string TransferRule::name() const {
  std::string s;
  if (kind == Kind::no_change) return "no-change";
  const std::string factor = shrunk ? "shrunken" : text(scale, " x");
  if (kind == Kind::from_others) s = factor + " change in other contexts";
  if (kind == Kind::about_pool) s = "pool of the context + " + factor + " deviation in other contexts";
  if (kind == Kind::about_mean) s = "context mean + " + factor + " deviation in other contexts";
  if (kind == Kind::profile) s = text("regression on control profiles, ridge ", ridge);
  if (bandwidth > 0) s += text(", weighed by distance ", bandwidth);
  if (precise) s += " and precision";
  if (project) s += ", 20 components";
  return s;
}

ContextTransfer::ContextTransfer(const EffectTable& effects, const PrincipalComponents& components)
    : effects_(effects), contexts_(effects.contexts()) {
  const std::size_t G = effects.genes(), leading = std::min<std::size_t>(20, components.components.rows);
  components_ = HostMatrix(leading, G);
  std::copy_n(components.components.data.begin(), leading * G, components_.data.begin());
  // Geometry of the contexts' control cells.
  std::vector<double> centre(G, 0);
  for (std::size_t c = 0; c < contexts_; ++c)
    for (std::size_t g = 0; g < G; ++g) centre[g] += effects.control_mean(c)[g] / static_cast<double>(contexts_);
  inner_.assign(contexts_ * contexts_, 0), distance_ = inner_;
  std::vector<double> between;
  for (std::size_t a = 0; a < contexts_; ++a)
    for (std::size_t b = 0; b < contexts_; ++b) {
      const auto &x = effects.control_mean(a), &y = effects.control_mean(b);
      double square = 0;
      for (std::size_t g = 0; g < G; ++g) {
        square += (x[g] - y[g]) * (x[g] - y[g]);
        inner_[a * contexts_ + b] += (x[g] - centre[g]) * (y[g] - centre[g]);
      }
      distance_[a * contexts_ + b] = std::sqrt(square);
      if (a < b) between.push_back(std::sqrt(square));
    }
  if (between.empty()) return;
  std::nth_element(between.begin(), between.begin() + static_cast<std::ptrdiff_t>(between.size() / 2), between.end());
  median_ = std::max(1e-12, between[between.size() / 2]);

  using Kind = TransferRule::Kind;
  std::vector<TransferRule> rules{{}};
  for (const bool project : {false, true}) {
    if (project && leading == 0) continue;
    for (const double scale : {.25, .5, .8, 1.}) {
      for (const double bandwidth : {0., 1., 2., 4.})
        for (const bool precise : {false, true})
          for (const bool shrunk : {false, true})
            if (!shrunk || scale == 1)
              rules.push_back({Kind::from_others, scale, bandwidth, 0, precise, shrunk, project});
      for (const bool precise : {false, true})
        for (const bool shrunk : {false, true})
          for (const Kind kind : {Kind::about_mean, Kind::about_pool})
            if (!shrunk || scale == 1) rules.push_back({kind, scale, 0, 0, precise, shrunk, project});
    }
    for (const bool precise : {false, true})
      for (const Kind kind : {Kind::about_mean, Kind::about_pool})
        rules.push_back({kind, 0, 0, 0, precise, false, project});
    for (const double ridge : {.1, .3, 1.}) rules.push_back({Kind::profile, 1, 0, ridge, false, false, project});
  }
  std::vector<double> error(rules.size(), 0);
  std::size_t judged = 0;
  for (const auto& [key, pair] : effects_.pairs()) {
    const auto& [label, context] = key;
    if (sources(label, context).empty()) continue;
    ++judged;
    const std::vector<double>& control = effects_.control_mean(context);
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto d = apply(rules[r], label, context);
      if (d.empty()) {
        error[r] = INFINITY;
        continue;
      }
      double sum = 0;
      for (std::size_t g = 0; g < G; ++g) {
        const double predicted = std::max(0.0, control[g] + d[g]), seen = control[g] + pair.delta[g];
        sum += (predicted - seen) * (predicted - seen);
      }
      error[r] += std::sqrt(sum);
    }
  }
  if (judged < 2) {
    chosen_ = without_mean_ = {Kind::from_others, 1, 0, 0, false, true, false};
    if (judged > 0)
      report_ = "change in a new context: the shrunken mean change in the others (too few pairs to choose)";
    return;
  }
  const auto best = static_cast<std::size_t>(std::min_element(error.begin(), error.end()) - error.begin());
  chosen_ = rules[best];
  double least = INFINITY;
  for (std::size_t r = 0; r < rules.size(); ++r)
    if (!rules[r].needs_context_mean() && error[r] < least) least = error[r], without_mean_ = rules[r];
  const double n = static_cast<double>(judged);
  report_ = text("change in a new context: ", chosen_.name(), "; leave-one-out L2 over ", judged, " pairs ",
                 error[best] / n, ", no-change ", error[0] / n);
  if (chosen_.needs_context_mean())
    report_ += text("; where a context has no other perturbed cells: ", without_mean_.name(), ", ", least / n);
}

std::vector<ContextTransfer::Source> ContextTransfer::sources(const std::string& label, std::size_t context) const {
  std::vector<Source> s;
  for (std::size_t c = 0; c < contexts_; ++c)
    if (c != context)
      if (const auto found = effects_.pairs().find({label, c}); found != effects_.pairs().end())
        s.push_back({c, &found->second.delta, found->second.squared_error});
  return s;
}

bool ContextTransfer::knows(const Condition& condition, std::size_t context) const {
  return !sources(canonical_label(condition), context).empty();
}

double ContextTransfer::nearest(const Condition& condition, std::size_t context) const {
  double least = INFINITY;
  for (const Source& s : sources(canonical_label(condition), context))
    least = std::min(least, distance(context, s.context));
  return least;
}

std::vector<double> ContextTransfer::mean_of_others(const std::string& label, std::size_t context,
                                                    const TransferRule& rule) const {
  std::vector<double> mean;
  double total = 0, count = 0;
  for (const auto& [key, pair] : effects_.pairs()) {
    if (key.second != context || key.first == label) continue;
    mean.resize(effects_.genes(), 0);
    const double w = rule.precise ? 1 / std::max(1e-12, pair.squared_error) : 1;
    total += w, count += 1;
    for (std::size_t g = 0; g < mean.size(); ++g) mean[g] += w * pair.delta[g];
  }
  // The control's change is zero; it weighs as much as an average condition.
  if (rule.kind == TransferRule::Kind::about_pool && count > 0) total += total / count;
  for (double& v : mean) v /= total;
  return mean;
}

std::vector<double> ContextTransfer::apply(const TransferRule& rule, const std::string& label,
                                           std::size_t context) const {
  using Kind = TransferRule::Kind;
  const std::size_t G = effects_.genes();
  std::vector<double> d(G, 0);
  const auto from = sources(label, context);
  if (rule.kind == Kind::no_change) return d;
  if (rule.kind == Kind::profile) {
    // Too few contexts to regress on.
    if (from.size() < 3) return {};
    const std::size_t n = from.size();
    HostMatrix A(n, n), Y(n, G);
    double trace = 0;
    // Inner products about the sources' own centre.
    auto inner = [&](std::size_t a, std::size_t b) { return inner_[a * contexts_ + b]; };
    std::vector<double> row(n, 0);
    double all = 0, query = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) row[i] += inner(from[i].context, from[j].context) / static_cast<double>(n);
      all += row[i] / static_cast<double>(n);
      query += inner(context, from[i].context) / static_cast<double>(n);
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) A(i, j) = inner(from[i].context, from[j].context) - row[i] - row[j] + all;
      trace += A(i, i) / static_cast<double>(n);
    }
    std::vector<double> mean(G, 0);
    for (const Source& s : from)
      for (std::size_t g = 0; g < G; ++g) mean[g] += (*s.delta)[g] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t g = 0; g < G; ++g) Y(i, g) = (*from[i].delta)[g] - mean[g];
    for (std::size_t i = 0; i < n; ++i) A(i, i) += rule.ridge * trace;
    const HostMatrix W = solve_symmetric(A, Y);
    d = mean;
    for (std::size_t i = 0; i < n; ++i) {
      const double k = inner(context, from[i].context) - query - row[i] + all;
      for (std::size_t g = 0; g < G; ++g) d[g] += k * W(i, g);
    }
  } else {
    if (rule.needs_context_mean()) {
      d = mean_of_others(label, context, rule);
      if (d.empty()) return {};
    }
    std::vector<double> change(G, 0);
    double total = 0, error = 0;
    std::vector<double> weight;
    for (const Source& s : from) {
      double w = std::exp(-rule.bandwidth * std::pow(distance(context, s.context) / median_, 2));
      if (rule.precise) w /= std::max(1e-12, s.squared_error);
      weight.push_back(w);
      total += w;
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
      std::vector<double> centre;
      if (rule.needs_context_mean()) {
        centre = mean_of_others(label, from[i].context, rule);
        if (centre.empty()) return {};
      }
      const double w = weight[i] / std::max(total, 1e-300);
      error += w * w * from[i].squared_error;
      for (std::size_t g = 0; g < G; ++g) change[g] += w * ((*from[i].delta)[g] - (centre.empty() ? 0 : centre[g]));
    }
    double power = 0, scale = rule.scale;
    for (const double v : change) power += v * v;
    if (rule.shrunk) scale = power > 0 ? std::max(0.0, 1 - error / power) : 0;
    for (std::size_t g = 0; g < G; ++g) d[g] += scale * change[g];
  }
  if (rule.project) {
    std::vector<double> projected(G, 0);
    for (std::size_t k = 0; k < components_.rows; ++k) {
      double along = 0;
      for (std::size_t g = 0; g < G; ++g) along += components_(k, g) * d[g];
      for (std::size_t g = 0; g < G; ++g) projected[g] += along * components_(k, g);
    }
    return projected;
  }
  return d;
}

std::vector<double> ContextTransfer::delta(const Condition& condition, std::size_t context) const {
  const std::string label = canonical_label(condition);
  auto d = apply(chosen_, label, context);
  if (d.empty()) d = apply(without_mean_, label, context);
  // A regression may lack contexts here.
  return d.empty() ? apply({TransferRule::Kind::from_others, 1, 0, 0, false, true, false}, label, context) : d;
}

}  // namespace perturbine

#include "models/baselines.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "kernels/random/random.h"
#include "models/linear_algebra.h"
#include "models/linear_map.h"
#include "models/mean_model.h"
#include "models/principal_components.h"
#include "models/real_cells.h"
#include "models/time_course.h"

namespace perturbine {
namespace {

/// What the baselines share: training data, observed changes, and a fitted closed-form rule.
class Baseline : public Model {
 public:
  explicit Baseline(std::string name, MeanRule::Kind rule) : name_(std::move(name)), rule_(rule) {}
  std::string name() const override { return name_; }

  void fit(Queue&, const TrainingData& data, const TrainingOptions&, const ProgressCallback&) override {
    data_ = data;
    effects_.emplace(data);
    fitted_.emplace(*effects_, MeanRule{rule_, .1, 1});
    prepare();
  }
  std::vector<double> predict_mean(Queue&, const Query& q) const override {
    std::vector<double> m = effects_->control_mean(q.context);
    const auto d = change(q);
    for (std::size_t g = 0; g < m.size(); ++g) m[g] += d[g];
    return m;
  }
  /// Control cells moved by the change, clipped at zero; every cell at most once, since repeats would bias distances
  /// within the sample.
  GeneratedCells sample(Queue&, const Query& q, std::size_t count, std::uint64_t seed) const override {
    return moved_cells(data_, chosen_cells(data_, q.context, false, count, seed), change(q));
  }

 protected:
  virtual void prepare() {}
  virtual std::vector<double> change(const Query& q) const { return fitted_->delta(q.condition); }
  const TrainingData& data() const { return data_; }
  const EffectTable& effects() const { return *effects_; }
  const FittedMean& fitted() const { return *fitted_; }

 private:
  std::string name_;
  MeanRule::Kind rule_;
  TrainingData data_;
  std::optional<EffectTable> effects_;
  std::optional<FittedMean> fitted_;
};

/// The additive mean alone.
class Additive final : public Baseline {
 public:
  Additive() : Baseline("additive", MeanRule::Kind::additive) {}
  bool samples() const override { return false; }
};

/// The mean training change; its cells are training cells of all perturbations.
class MeanChange final : public Baseline {
 public:
  MeanChange() : Baseline("mean", MeanRule::Kind::mean) {}
  GeneratedCells sample(Queue&, const Query& q, std::size_t count, std::uint64_t seed) const override {
    return moved_cells(data(), chosen_cells(data(), q.context, !q.condition.is_control(), count, seed), {});
  }
};

/// The average change of a combination's parts seen alone (Vinas Torne et al. 2025, "matching mean"), and their cells;
/// where no part was seen, the mean change and the cells of all perturbations.
class MatchingMean final : public Baseline {
 public:
  MatchingMean() : Baseline("matching-mean", MeanRule::Kind::mean) {}
  GeneratedCells sample(Queue&, const Query& q, std::size_t count, std::uint64_t seed) const override {
    const auto cells = cells_of_parts(data(), q);
    if (q.condition.is_control() || cells.empty())
      return moved_cells(data(), chosen_cells(data(), q.context, !q.condition.is_control(), count, seed), {});
    return moved_cells(data(), some_of(cells, count, seed), {});
  }

 protected:
  std::vector<double> change(const Query& q) const override {
    if (q.condition.is_control()) return std::vector<double>(data().genes, 0);
    std::vector<double> sum(data().genes, 0);
    double seen = 0;
    for (const auto& r : effects().rows())
      for (const auto& p : q.condition.parts)
        if (r.condition.parts.size() == 1 && r.condition.parts[0].name == p.name) {
          seen += 1;
          for (std::size_t g = 0; g < sum.size(); ++g) sum[g] += r.delta[g];
        }
    if (seen == 0) return fitted().delta(q.condition);
    for (double& v : sum) v /= seen;
    return sum;
  }
};

/// The mean change of the (at most three) training conditions that share the largest part of their perturbations with
/// the query (Jaccard index of the sets); none shares any: the mean change.
class NearestConditions final : public Baseline {
 public:
  NearestConditions() : Baseline("knn", MeanRule::Kind::mean) {}

 protected:
  std::vector<double> change(const Query& q) const override {
    if (q.condition.is_control()) return std::vector<double>(data().genes, 0);
    std::vector<std::pair<double, const EffectTable::Row*>> near;
    std::set<std::string> wanted;
    for (const auto& p : q.condition.parts) wanted.insert(p.name);
    for (const auto& r : effects().rows()) {
      std::size_t shared = 0;
      for (const auto& p : r.condition.parts) shared += wanted.count(p.name);
      if (shared > 0)
        near.emplace_back(
            static_cast<double>(shared) / static_cast<double>(wanted.size() + r.condition.parts.size() - shared), &r);
    }
    if (near.empty()) return fitted().delta(q.condition);
    std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    near.resize(std::min<std::size_t>(3, near.size()));
    std::vector<double> sum(data().genes, 0);
    for (const auto& [similarity, row] : near)
      for (std::size_t g = 0; g < sum.size(); ++g) sum[g] += row->delta[g] / static_cast<double>(near.size());
    return sum;
  }
};

/// Changes of the same condition in other contexts, weighed by exp(-2 (d / median d)^2), d the distance of the
/// contexts' mean control cells; a condition no other context saw: additive.
class KernelShift final : public Baseline {
 public:
  KernelShift() : Baseline("kernel-shift", MeanRule::Kind::additive) {}

 protected:
  void prepare() override {
    const std::size_t n = effects().contexts();
    distance_.assign(n * n, 0);
    std::vector<double> between;
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b < n; ++b) {
        double sum = 0;
        for (std::size_t g = 0; g < data().genes; ++g)
          sum += std::pow(effects().control_mean(a)[g] - effects().control_mean(b)[g], 2);
        distance_[a * n + b] = std::sqrt(sum);
        if (a < b) between.push_back(std::sqrt(sum));
      }
    std::sort(between.begin(), between.end());
    median_ = between.empty() ? 1 : std::max(1e-12, between[between.size() / 2]);
  }
  std::vector<double> change(const Query& q) const override {
    std::vector<double> sum(data().genes, 0);
    double total = 0;
    const std::string label = canonical_label(q.condition);
    for (const auto& [key, pair] : effects().pairs()) {
      if (key.first != label) continue;
      const double w = std::exp(-2 * std::pow(distance_[q.context * effects().contexts() + key.second] / median_, 2));
      total += w;
      for (std::size_t g = 0; g < sum.size(); ++g) sum[g] += w * pair.delta[g];
    }
    if (total == 0) return fitted().delta(q.condition);
    for (double& v : sum) v /= total;
    return sum;
  }

 private:
  std::vector<double> distance_;
  double median_ = 1;
};

/// Control cells in 50 principal components, moved by the additive change there and decoded linearly, clipped at zero
/// (scGen's arithmetic with a linear autoencoder; Lotfollahi et al. 2019).
class LatentAdditive final : public Baseline {
 public:
  LatentAdditive() : Baseline("latent-additive", MeanRule::Kind::additive) {}
  std::vector<double> predict_mean(Queue&, const Query& q) const override {
    std::vector<double> m(data().genes, 0);
    const auto cells = decoded(q, controls_of(data(), q.context));
    for (std::size_t i = 0; i < cells.size(); ++i)
      m[i % m.size()] +=
          static_cast<double>(cells[i]) * static_cast<double>(m.size()) / static_cast<double>(cells.size());
    return m;
  }
  GeneratedCells sample(Queue&, const Query& q, std::size_t count, std::uint64_t seed) const override {
    const auto chosen = chosen_cells(data(), q.context, false, count, seed);
    GeneratedCells out = moved_cells(data(), chosen, {});
    out.expression = decoded(q, chosen);
    return out;
  }

 protected:
  void prepare() override {
    components_ = principal_components(data().expression.data(), data().cells(), data().genes, 50);
  }

 private:
  std::vector<float> decoded(const Query& q, const std::vector<std::size_t>& cells) const {
    const std::size_t G = data().genes, K = components_.components.rows;
    const auto d = change(q);
    std::vector<float> out;
    for (const std::size_t cell : cells) {
      std::vector<double> row(components_.mean);
      for (std::size_t k = 0; k < K; ++k) {
        double z = 0;
        for (std::size_t g = 0; g < G; ++g)
          z += components_.components(k, g) * (static_cast<double>(data().row(cell)[g]) - components_.mean[g] + d[g]);
        for (std::size_t g = 0; g < G; ++g) row[g] += z * components_.components(k, g);
      }
      for (const double v : row) out.push_back(static_cast<float>(std::max(0.0, v)));
    }
    return out;
  }
  PrincipalComponents components_;
};

/// Real cells of the parts seen alone (else control cells), each gene thinned or added to until the mean is the
/// additive one.
class Thinned final : public Baseline {
 public:
  Thinned() : Baseline("thinned", MeanRule::Kind::additive) {}
  GeneratedCells sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const override {
    auto cells = cells_of_parts(data(), q);
    if (cells.empty()) cells = controls_of(data(), q.context);
    return thinned_cells(data(), some_of(cells, count, seed), predict_mean(queue, q), seed);
  }
};

/// The linear map from the perturbed gene to its effect; cells are controls moved by it.
class Linear final : public Baseline {
 public:
  Linear() : Baseline("linear", MeanRule::Kind::mean) {}
  std::vector<std::string> report() const override {
    return {text("linear: ", map_->placed(), " of ", effects().rows().size(),
                 " training conditions perturb a measured gene",
                 map_->placed() == 0 ? "; without any it is the mean change" : "")};
  }

 protected:
  void prepare() override { map_.emplace(effects(), data().gene_names); }
  std::vector<double> change(const Query& q) const override { return map_->change(q.condition); }

 private:
  std::optional<LinearMap> map_;
};

/// Training cells drawn with weights that an exponential tilt gives them, so that their mean is the additive one in 20
/// principal components.
class Tilted final : public Baseline {
 public:
  Tilted() : Baseline("tilted", MeanRule::Kind::additive) {}
  std::vector<double> predict_mean(Queue& queue, const Query& q) const override {
    const auto weights = tilt(q, Baseline::predict_mean(queue, q));
    std::vector<double> m(data().genes, 0);
    for (std::size_t i = 0; i < data().cells(); ++i)
      for (std::size_t g = 0; g < m.size(); ++g) m[g] += weights[i] * static_cast<double>(data().row(i)[g]);
    return m;
  }
  GeneratedCells sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const override {
    return moved_cells(data(), drawn_by_weight(tilt(q, Baseline::predict_mean(queue, q)), count, seed), {});
  }

 protected:
  void prepare() override {
    components_ = principal_components(data().expression.data(), data().cells(), data().genes, 20);
    positions_ = project(components_, data().expression.data(), data().cells());
  }

 private:
  std::vector<double> tilt(const Query& q, const std::vector<double>& mean) const {
    std::vector<float> target(mean.begin(), mean.end());
    return tilted_weights(positions_, components_.components.rows, project(components_, target.data(), 1),
                          cells_in_context(data(), q.context));
  }
  PrincipalComponents components_;
  std::vector<float> positions_;
};

/// Between two times of a time course their cells, mixed by nearness; elsewhere the additive rule.
class TimeMixture final : public Baseline {
 public:
  TimeMixture() : Baseline("time-mixture", MeanRule::Kind::additive) {}
  std::vector<double> predict_mean(Queue& queue, const Query& q) const override {
    return q.between ? mixture_mean(data(), *q.between, q.context) : Baseline::predict_mean(queue, q);
  }
  GeneratedCells sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const override {
    return q.between ? mixture_cells(data(), *q.between, q.context, count, seed)
                     : Baseline::sample(queue, q, count, seed);
  }
};

}  // namespace

const std::vector<std::string>& baseline_names() {
  static const std::vector<std::string> names{"no-change", "mean",   "matching-mean", "additive",     "additive-cells",
                                              "ridge",     "linear", "knn",           "kernel-shift", "latent-additive",
                                              "thinned",   "tilted", "time-mixture"};
  return names;
}

std::unique_ptr<Model> make_baseline(const std::string& name) {
  if (name == "no-change") return std::make_unique<Baseline>(name, MeanRule::Kind::no_change);
  if (name == "mean") return std::make_unique<MeanChange>();
  if (name == "matching-mean") return std::make_unique<MatchingMean>();
  if (name == "additive") return std::make_unique<Additive>();
  if (name == "additive-cells") return std::make_unique<Baseline>(name, MeanRule::Kind::additive);
  if (name == "ridge") return std::make_unique<Baseline>(name, MeanRule::Kind::ridge);
  if (name == "linear") return std::make_unique<Linear>();
  if (name == "knn") return std::make_unique<NearestConditions>();
  if (name == "kernel-shift") return std::make_unique<KernelShift>();
  if (name == "latent-additive") return std::make_unique<LatentAdditive>();
  if (name == "thinned") return std::make_unique<Thinned>();
  if (name == "tilted") return std::make_unique<Tilted>();
  if (name == "time-mixture") return std::make_unique<TimeMixture>();
  return nullptr;
}

}  // namespace perturbine

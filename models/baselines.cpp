// The simple models every table has: no-change, mean, additive, additive-cells, ridge. And the list of models.
#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/random/random.h"
#include "models/backbone.h"
#include "models/diffusion.h"
#include "models/flow.h"
#include "models/hybrid.h"

namespace perturbine {
namespace {

enum class Kind { no_change, mean, additive, additive_cells, ridge };

/// Means by the plain (not shrunken) rules; cells are control cells moved by the change, clipped at zero, except for
/// `mean`, whose cells are training cells of all perturbations.
class Baseline final : public Model {
 public:
  Baseline(std::string name, Kind kind) : name_(std::move(name)), kind_(kind) {}
  std::string name() const override { return name_; }
  bool samples() const override { return kind_ != Kind::additive; }

  void fit(Queue&, const TrainingData& data, const TrainingOptions&, const ProgressCallback&) override {
    data_ = data;
    effects_.emplace(data);
    MeanRule rule;
    switch (kind_) {
      case Kind::no_change:
        rule.kind = MeanRule::Kind::no_change;
        break;
      case Kind::mean:
        rule.kind = MeanRule::Kind::mean;
        break;
      case Kind::ridge:
        rule = {MeanRule::Kind::ridge, .1, 1};
        break;
      default:
        rule.kind = MeanRule::Kind::additive;
    }
    fitted_.emplace(*effects_, rule);
  }

  std::vector<double> predict_mean(Queue&, const Query& q) const override {
    std::vector<double> m = effects_->control_mean(q.context);
    const auto d = fitted_->delta(q.condition);
    for (std::size_t g = 0; g < m.size(); ++g) m[g] += d[g];
    return m;
  }

  GeneratedCells sample(Queue&, const Query& q, std::size_t count, std::uint64_t seed) const override {
    std::vector<std::size_t> pool;
    const bool perturbed = kind_ == Kind::mean && !q.condition.is_control();
    for (int any_context = 0; any_context < 2 && pool.empty(); ++any_context)
      for (std::size_t i = 0; i < data_.cells(); ++i)
        if ((data_.condition[i] != 0) == perturbed &&
            (any_context == 1 || static_cast<std::size_t>(data_.context[i]) == q.context))
          pool.push_back(i);
    const auto d = perturbed ? std::vector<double>(data_.genes, 0.0) : fitted_->delta(q.condition);
    // Every cell at most once: repeats would bias distances within the sample.
    std::vector<std::uint32_t> order(pool.size());
    random_permutation(seed, 0xce11, order.data(), order.size());
    GeneratedCells out;
    out.count = std::min(count, pool.size()), out.genes = data_.genes;
    for (std::size_t i = 0; i < out.count; ++i) {
      const std::size_t from = pool[order[i]];
      out.library_size.push_back(data_.library_size[from]);
      for (std::size_t g = 0; g < data_.genes; ++g)
        out.expression.push_back(std::max(0.0f, data_.row(from)[g] + static_cast<float>(d[g])));
    }
    return out;
  }

 private:
  std::string name_;
  Kind kind_;
  TrainingData data_;
  std::optional<EffectTable> effects_;
  std::optional<FittedMean> fitted_;
};

}  // namespace

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names{"no-change", "mean",     "additive", "additive-cells",
                                              "ridge",     "backbone", "diffusion", "flow",     "hybrid"};
  return names;
}

const std::vector<std::string>& trainable_names() {
  static const std::vector<std::string> names{"diffusion", "flow", "hybrid"};
  return names;
}

std::unique_ptr<NetworkModel> make_trainable(const std::string& name) {
  if (name == "diffusion") return std::make_unique<Diffusion>();
  if (name == "flow") return std::make_unique<Flow>();
  if (name == "hybrid") return std::make_unique<Hybrid>();
  std::string known;
  for (const std::string& n : trainable_names()) known += (known.empty() ? "" : ", ") + n;
  throw InputError(text("model '", name, "' cannot be trained; choose among ", known));
}

bool is_trainable(const std::string& name) {
  return std::find(trainable_names().begin(), trainable_names().end(), name) != trainable_names().end();
}

std::unique_ptr<Model> make_model(const std::string& name) {
  if (name == "no-change") return std::make_unique<Baseline>(name, Kind::no_change);
  if (name == "mean") return std::make_unique<Baseline>(name, Kind::mean);
  if (name == "additive") return std::make_unique<Baseline>(name, Kind::additive);
  if (name == "additive-cells") return std::make_unique<Baseline>(name, Kind::additive_cells);
  if (name == "ridge") return std::make_unique<Baseline>(name, Kind::ridge);
  if (name == "backbone") return std::make_unique<Backbone>();
  if (is_trainable(name)) return make_trainable(name);
  std::string known;
  for (const std::string& n : model_names()) known += (known.empty() ? "" : ", ") + n;
  throw InputError(text("model '", name, "' is not known; choose among ", known));
}

}  // namespace perturbine

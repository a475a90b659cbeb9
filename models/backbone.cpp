#include "models/backbone.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "models/calibration.h"

namespace perturbine {

void Backbone::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options, const ProgressCallback&) {
  data_ = data;
  options_ = options;
  effects_.emplace(data);
  shrunk_.emplace(effects_->shrunk());
  choice_.emplace(*effects_);
  require_input(options.space == "latent" || options.space == "genes", "space '", options.space,
                "' is not known; choose latent or genes");
  space_ = fit_latent_space(data, options.space == "genes" ? 0 : options.latent, residuals_);
  transfer_.emplace(*effects_, space_.components);
  shrinkage_report_.clear();
  if (options.technical_shrinkage) {
    shrinkage_ = *options.technical_shrinkage;
  } else {
    const ShrinkageChoice choice = choose_technical_shrinkage(queue, data, space_, 1);
    shrinkage_ = choice.chosen;
    shrinkage_report_ = choice.report();
  }
}

namespace {
void add_change(std::vector<double>& mean, const std::vector<double>& delta) {
  for (std::size_t g = 0; g < mean.size(); ++g) mean[g] = std::max(0.0, mean[g] + delta[g]);
}
}  // namespace

std::vector<double> Backbone::mean(const Query& q) const {
  std::vector<double> m = effects_->control_mean(q.context);
  if (q.condition.is_control()) return m;
  std::vector<double> delta;
  if (const auto* seen = effects_->observed(q.condition, q.context)) {
    delta = *seen;
  } else if (transfer_->knows(q.condition, q.context)) {
    delta = transfer_->delta(q.condition, q.context);
  } else {
    delta = FittedMean(*shrunk_, choice_->rule(stratum_of(q.condition, *effects_))).delta(q.condition);
  }
  add_change(m, delta);
  return m;
}

std::vector<double> Backbone::left_out_mean(const Query& q) const {
  std::vector<double> m = effects_->control_mean(q.context);
  if (q.condition.is_control()) return m;
  if (transfer_->knows(q.condition, q.context)) {
    add_change(m, transfer_->delta(q.condition, q.context));
    return m;
  }
  for (std::size_t i = 0; i < shrunk_->rows().size(); ++i)
    if (shrunk_->rows()[i].condition == q.condition) {
      const EffectTable rest = shrunk_->without(i);
      add_change(m, FittedMean(rest, choice_->rule(stratum_of(q.condition, rest))).delta(q.condition));
      return m;
    }
  return mean(q);
}

GeneratedCells Backbone::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const std::size_t K = space_.width();
  std::vector<float> latent(count * K);
  for (std::size_t i = 0; i < count; ++i) {
    normal_row(seed, 0xba, i, latent.data() + i * K, K);
    for (std::size_t k = 0; k < K; ++k) latent[i * K + k] *= static_cast<float>(std::sqrt(space_.residual_variance[k]));
  }
  return decode(queue, mean(q), latent, library_sizes(q, count, seed), seed);
}

std::vector<std::string> Backbone::report() const {
  auto lines = choice_->report();
  if (!transfer_->report().empty()) lines.push_back(transfer_->report());
  if (!shrinkage_report_.empty()) lines.push_back(shrinkage_report_);
  return lines;
}

}  // namespace perturbine

#include "models/diffusion.h"

#include <cmath>
#include <map>

namespace perturbine {

Target target_named(const std::string& name) {
  if (name == "x0") return Target::x0;
  if (name == "v") return Target::v;
  if (name == "epsilon") return Target::epsilon;
  if (name == "score") return Target::score;
  throw InputError(text("target '", name, "' is not known; choose x0, v, epsilon or score"));
}

namespace {

ControlSummary summary_named(const std::string& name) {
  if (name == "none") return ControlSummary::none;
  if (name == "mean") return ControlSummary::mean;
  if (name == "attention") return ControlSummary::attention;
  throw InputError(text("control summary '", name, "' is not known; choose none, mean or attention"));
}

}  // namespace

template <class Mean>
std::vector<float> Diffusion::about_means(const TrainingData& data, Mean&& mean) const {
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<double>> means;
  std::vector<float> about(data.expression);
  for (std::size_t i = 0; i < data.cells(); ++i) {
    auto& m = means[{data.condition[i], data.context[i]}];
    if (m.empty())
      m = mean(Query{data.conditions[static_cast<std::size_t>(data.condition[i])],
                     static_cast<std::size_t>(data.context[i])});
    for (std::size_t g = 0; g < data.genes; ++g) about[i * data.genes + g] -= static_cast<float>(m[g]);
  }
  std::vector<float> x = backbone_.space().coordinates(about, data.cells());
  for (float& v : x) v *= static_cast<float>(scale_);
  return x;
}

void Diffusion::prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options) {
  options_ = options;
  target_named(options.target);
  backbone_.fit(queue, data, options, {});
  const auto& variance = backbone_.space().residual_variance;
  double total = 0;
  for (const double v : variance) total += v / static_cast<double>(variance.size());
  scale_ = 1 / std::sqrt(total);
  variance_.clear();
  for (const double v : variance) variance_.push_back(static_cast<float>(v * scale_ * scale_));
  const ControlSummary summary = summary_named(options.control_summary);
  std::vector<float> positions;  // of the training cells about the mean of all: what control cells are known by
  if (summary != ControlSummary::none && data.contexts.size() > 1) {
    std::vector<double> all(data.genes, 0);
    for (std::size_t i = 0; i < data.expression.size(); ++i)
      all[i % data.genes] += static_cast<double>(data.expression[i]) / static_cast<double>(data.cells());
    positions = about_means(data, [&](const Query&) { return all; });
  }
  vocabulary_ = ConditionVocabulary(data, summary, positions, variance_.size());
  require_input(options.network_mean == "auto" || options.network_mean == "never", "network mean '",
                options.network_mean, "' is not known; choose auto or never");
  moves_mean_ = options.network_mean == "auto" && data.validation != nullptr;
  mean_share_ = 0;
  mean_report_.clear();
  if (moves_mean_) {
    residuals_ = about_means(data, [&](const Query& q) { return backbone_.left_out_mean(q); });
  } else {
    residuals_ = backbone_.residuals();
    for (float& v : residuals_) v *= static_cast<float>(scale_);
  }
  validation_residuals_.clear();
  if (data.validation)
    validation_residuals_ = about_means(*data.validation, [&](const Query& q) { return backbone_.mean(q); });
  parameters_ = std::make_unique<Parameters>();
  const ScoreNetworkSizes sizes{variance_.size(), options.hidden, options.blocks};
  const ConditionEncoderSizes condition = vocabulary_.sizes(options.hidden);
  if (options.network == "residual")
    network_ = std::make_unique<ResidualScoreNetwork>(*parameters_, sizes, condition, options.penalty);
  else if (options.network == "u-shaped")
    network_ = std::make_unique<UShapedScoreNetwork>(*parameters_, sizes, condition, options.penalty);
  else
    throw InputError(text("network '", options.network, "' is not known; choose residual or u-shaped"));
  parameters_->allocate(queue, options.seed);
  // The frozen time frequencies: 1 to 1000 in equal ratios.
  std::vector<float> values = parameters_->values().get(queue);
  for (std::size_t k = 0; k < 32; ++k) values[k] = std::exp(std::log(1000.0f) * static_cast<float>(k) / 31);
  parameters_->set_values(queue, values);
  parameters_->average().set(queue, values);
  step_ = 0;
}

void Diffusion::set_state(Queue& queue, const State& s) {
  require_input(s.value.size() == parameters_->size(),
                "the checkpoint's network has another size than this configuration gives");
  parameters_->set_values(queue, s.value);
  parameters_->first_moment().set(queue, s.first_moment);
  parameters_->second_moment().set(queue, s.second_moment);
  parameters_->average().set(queue, s.average);
  step_ = s.step;
  mean_share_ = s.mean_share;
}

Diffusion::State Diffusion::state(Queue& queue) const {
  return {step_,
          parameters_->values().get(queue),
          parameters_->first_moment().get(queue),
          parameters_->second_moment().get(queue),
          parameters_->average().get(queue),
          mean_share_};
}

void Diffusion::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
                    const ProgressCallback& progress) {
  prepare(queue, data, options);
  train(queue, progress);
}

std::vector<double> Diffusion::predict_mean(Queue& queue, const Query& q) const {
  std::vector<double> m = backbone_.mean(q);
  // What was seen stays what was seen.
  if (mean_share_ == 0 || q.condition.is_control() || backbone_.was_seen(q)) return m;
  const std::vector<double> moved = shift(queue, q);
  for (std::size_t g = 0; g < m.size(); ++g) m[g] = std::max(0.0, m[g] + mean_share_ * moved[g]);
  return m;
}

std::vector<std::string> Diffusion::report() const {
  auto lines = backbone_.report();
  if (options_.target == "epsilon")
    lines.emplace_back(
        "warning: target epsilon divides the network's error by alpha, and samples explode with few steps; x0 and v do "
        "not");
  if (!mean_report_.empty()) lines.push_back(mean_report_);
  return lines;
}

GeneratedCells Diffusion::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const auto latent = sample_latent(queue, q, count, sampler_named(options_.sampler), options_.sampler_steps, seed);
  return backbone_.decode(queue, q, predict_mean(queue, q), latent, count, seed);
}

}  // namespace perturbine

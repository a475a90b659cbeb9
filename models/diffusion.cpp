#include "models/diffusion.h"

#include <algorithm>

namespace perturbine {

Target target_named(const std::string& name) {
  if (name == "x0") return Target::x0;
  if (name == "v") return Target::v;
  if (name == "epsilon") return Target::epsilon;
  if (name == "score") return Target::score;
  throw InputError(text("target '", name, "' is not known; choose x0, v, epsilon or score"));
}

void Diffusion::prepare_targets(Queue&) {
  const TrainingOptions& options = options_;
  moves_mean_ = options.network_mean == "auto" && data().validation != nullptr && !about_controls();
  mean_share_ = about_controls() ? 1 : 0;
  mean_report_.clear();
  for (std::size_t k = 0; k < width(); ++k)
    variance_[k] = static_cast<float>(backbone_->frames().variance()[k] * scale_ * scale_);
  if (about_controls()) {
    residuals_ = about_means(data(), [&](const Query& q) { return centre(q); });
    std::fill(variance_.begin(), variance_.end(), 0.0f);
    for (std::size_t i = 0; i < residuals_.size(); ++i)
      variance_[i % width()] += residuals_[i] * residuals_[i] / static_cast<float>(data().cells());
    for (float& v : variance_) v = std::max(v, 1e-6f);
  } else if (moves_mean_) {
    residuals_ = about_means(data(), [&](const Query& q) { return backbone_->left_out_mean(q); });
  } else {
    residuals_ = backbone_->residuals();
    backbone_->frames().enter_each(data().context, residuals_);
    for (float& v : residuals_) v *= static_cast<float>(scale_);
  }
  extended_variance_ = variance_;
  extended_variance_.push_back(1);
  column_weight_.clear();
  double total = 0;
  for (std::size_t k = 0; k < width(); ++k) {
    const double signal = static_cast<double>(variance_[k]) * (1 - backbone_->space().technical_share[k]);
    column_weight_.push_back(static_cast<float>(signal));
    total += signal;
  }
  const bool has_axis = options.response_axis == "on" && !about_controls();
  column_weight_.push_back(has_axis ? static_cast<float>(total / 3) : 0.0f);
  const double mean_weight = total * (has_axis ? 4. / 3 : 1) / static_cast<double>(network_width());
  for (float& w : column_weight_) w = static_cast<float>(static_cast<double>(w) / mean_weight);
  if (has_axis) vocabulary_.add_length();
  axes_ = axes(data());
  validation_axes_.clear();
  if (data().validation) validation_axes_ = axes(*data().validation);
  validation_residuals_.clear();
  if (data().validation)
    validation_residuals_ = about_means(*data().validation, [&](const Query& q) { return centre(q); });
}

ResponseAxis Diffusion::axis(const Query& q) const {
  if (q.condition.is_control() || about_controls() || options_.response_axis == "off") return {};
  const auto to = backbone_->mean(q), from = backbone_->mean({{}, q.context});
  std::vector<float> change(to.size());
  for (std::size_t g = 0; g < to.size(); ++g) change[g] = static_cast<float>((to[g] - from[g]) * scale_);
  std::vector<float> along = backbone_->space().coordinates(change, 1);
  backbone_->frames().enter(q.context, along);
  return {along, variance_};
}

std::map<std::pair<std::int32_t, std::int32_t>, ResponseAxis> Diffusion::axes(const TrainingData& d) const {
  std::map<std::pair<std::int32_t, std::int32_t>, ResponseAxis> axes;
  for (std::size_t i = 0; i < d.cells(); ++i) {
    const std::pair key{d.condition[i], d.context[i]};
    if (axes.count(key) == 0)
      axes[key] = axis({d.conditions[static_cast<std::size_t>(key.first)], static_cast<std::size_t>(key.second)});
  }
  return axes;
}

void Diffusion::set_state(Queue& queue, const State& s) {
  NetworkModel::set_state(queue, s);
  mean_share_ = s.choices.at(0);
}

NetworkModel::State Diffusion::state(Queue& queue) const {
  State s = NetworkModel::state(queue);
  s.choices = {mean_share_};
  return s;
}

std::vector<double> Diffusion::genes_of(std::vector<float> scaled, std::size_t context) const {
  const LatentSpace& space = backbone_->space();
  backbone_->frames().leave(context, scaled);
  const std::size_t G = data().genes;
  std::vector<double> change(G, 0);
  for (std::size_t k = 0; k < scaled.size(); ++k) {
    const double v = static_cast<double>(scaled[k]) / scale_;
    if (space.is_genes())
      change[k] = v;
    else
      for (std::size_t g = 0; g < G; ++g) change[g] += v * space.components.components(k, g);
  }
  return change;
}

std::vector<double> Diffusion::predict_mean(Queue& queue, const Query& q) const {
  std::vector<double> m = centre(q);
  // What was seen stays what was seen, unless all comes from the network.
  if (mean_share_ <= 0 || q.condition.is_control() || (backbone_->was_seen(q) && !about_controls())) return m;
  const std::vector<double> moved = shift(queue, q);
  for (std::size_t g = 0; g < m.size(); ++g) m[g] = std::max(0.0, m[g] + mean_share_ * moved[g]);
  return m;
}

std::vector<std::string> Diffusion::report() const {
  auto lines = backbone_->report();
  if (options_.target == "epsilon")
    lines.emplace_back(
        "warning: target epsilon divides the network's error by alpha, and samples explode with few steps; x0 and v do "
        "not");
  if (!mean_report_.empty()) lines.push_back(mean_report_);
  return lines;
}

GeneratedCells Diffusion::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const auto latent = sample_latent(queue, q, count, sampler_named(options_.sampler), options_.sampler_steps, seed);
  return backbone_->decode(queue, predict_mean(queue, q), latent, backbone_->library_sizes(q, count, seed), seed);
}

}  // namespace perturbine

#include "models/backbone.h"

#include <cmath>
#include <map>
#include <numeric>

#include "kernels/core/philox.h"
#include "models/calibration.h"

namespace perturbine {
namespace {

// The logarithms of library sizes as data of one gene.
TrainingData log_sizes_of(const TrainingData& data) {
  TrainingData d;
  d.genes = 1;
  d.conditions = data.conditions, d.contexts = data.contexts, d.condition = data.condition, d.context = data.context;
  d.library_size = data.library_size;
  for (const double size : data.library_size) d.expression.push_back(static_cast<float>(std::log(size)));
  return d;
}

}  // namespace

std::string Backbone::depends_on(const TrainingOptions& o) {
  return text(o.space, " ", o.latent, " ", o.technical_shrinkage ? text(*o.technical_shrinkage) : std::string("auto"),
              " ", o.decoder_calibration, " ", o.residual_covariance);
}

void Backbone::fit(Queue& queue, const TrainingData& data, const TrainingOptions& options, const ProgressCallback&) {
  check_options(options);
  data_ = data;
  options_ = options;
  space_ = fit_latent_space(data, options.space == "genes" ? 0 : options.latent, residuals_);
  means_ = ClosedFormMean(data, space_.components);
  log_sizes_ = ClosedFormMean(log_sizes_of(data), {});
  uncertainty_ = MeanUncertainty(data, means_);
  times_ = TimeCourse(queue, data, residuals_, space_.width());
  // One context needs no frame: its covariance is that of all. Genes are too many to have one.
  frames_ = ContextFrames(space_.residual_variance);
  if (data.contexts.size() > 1 && !space_.is_genes() && options.residual_covariance == "context")
    frames_ = ContextFrames(data, residuals_, space_.residual_variance);
  shrinkage_report_.clear();
  auto chosen = [&](DecodedResiduals decoded, std::string_view of) {
    if (options.technical_shrinkage) return *options.technical_shrinkage;
    const ShrinkageChoice choice = choose_technical_shrinkage(queue, data, space_, frames_, residuals_, decoded, 1);
    shrinkage_report_.push_back(choice.report(of));
    return choice.chosen;
  };
  shrinkage_ = chosen(DecodedResiduals::gaussian, "Gaussian residuals");
  cell_shrinkage_ = chosen(DecodedResiduals::cells, "cells' residuals");
}

std::vector<double> Backbone::moved_library_sizes(const std::vector<std::size_t>& cells, const Query& q) const {
  const double to = log_sizes_.mean(q)[0];
  std::map<std::pair<std::int32_t, std::int32_t>, double> from;
  std::vector<double> sizes;
  for (const std::size_t cell : cells) {
    const std::pair key{data_.condition[cell], data_.context[cell]};
    if (from.count(key) == 0)
      from[key] = log_sizes_.mean(
          {data_.conditions[static_cast<std::size_t>(key.first)], static_cast<std::size_t>(key.second)})[0];
    sizes.push_back(data_.library_size[cell] * std::exp(to - from[key]));
  }
  return sizes;
}

std::vector<double> Backbone::library_sizes(const Query& q, std::size_t count, std::uint64_t seed) const {
  std::vector<std::size_t> pool;
  for (std::size_t i = 0; i < data_.cells(); ++i)
    if (static_cast<std::size_t>(data_.context[i]) == q.context) pool.push_back(i);
  if (pool.empty()) {
    pool.resize(data_.cells());
    std::iota(pool.begin(), pool.end(), std::size_t{0});
  }
  std::vector<std::size_t> drawn;
  for (std::size_t i = 0; i < count; ++i)
    drawn.push_back(
        pool[static_cast<std::size_t>((std::uint64_t{philox(seed, 0x11b, i).word[0]} * pool.size()) >> 32)]);
  return moved_library_sizes(drawn, q);
}

GeneratedCells Backbone::sample(Queue& queue, const Query& q, std::size_t count, std::uint64_t seed) const {
  const std::size_t K = space_.width();
  std::vector<float> latent(count * K);
  for (std::size_t i = 0; i < count; ++i) {
    normal_row(seed, 0xba, i, latent.data() + i * K, K);
    for (std::size_t k = 0; k < K; ++k) latent[i * K + k] *= static_cast<float>(std::sqrt(frames_.variance()[k]));
  }
  frames_.leave(q.context, latent);
  return decode_counts(queue, space_, latent, mean(q), library_sizes(q, count, seed), shrinkage_, seed,
                       options_.decoder_calibration == "on");
}

std::vector<float> Backbone::residuals_about(const std::vector<float>& expression, const std::vector<double>& mean,
                                             std::size_t context) const {
  std::vector<float> latent = space_.coordinates(about_mean(expression, mean), expression.size() / data_.genes);
  frames_.enter(context, latent);
  return latent;
}

LogLikelihood Backbone::log_likelihood(Queue&, const Query& q, const std::vector<float>& expression,
                                       const LikelihoodOptions&) const {
  const std::size_t K = space_.width();
  const std::vector<float> latent = residuals_about(expression, mean(q), q.context);
  LogLikelihood log_p{std::vector<double>(latent.size() / K, 0), std::vector<double>(latent.size() / K, 0)};
  for (std::size_t i = 0; i < latent.size(); ++i) {
    const double variance = frames_.variance()[i % K], z = static_cast<double>(latent[i]);
    log_p.value[i / K] -= .5 * (z * z / variance + std::log(2 * M_PI * variance));
  }
  for (double& value : log_p.value) value += frames_.log_volume(q.context);
  return log_p;
}

std::vector<std::string> Backbone::report() const {
  auto lines = means_.report();
  for (const std::string& line : log_sizes_.report()) lines.push_back("logarithm of library size: " + line);
  for (const std::string& line : uncertainty_.report()) lines.push_back(line);
  if (!frames_.report().empty()) lines.push_back(frames_.report());
  if (!times_.report().empty()) lines.push_back(times_.report());
  for (const std::string& line : shrinkage_report_) lines.push_back(line);
  return lines;
}

}  // namespace perturbine

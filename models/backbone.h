// What the generative models share, and a model of its own: the closed-form mean, chosen per stratum by leave-one-out
// and shrunk, Gaussian residuals in the latent space, and the calibrated count decoder. A model is judged by its
// difference to this.
#pragma once
#include <optional>

#include "models/context_transfer.h"
#include "models/decoder.h"
#include "models/mean_model.h"

namespace perturbine {

class Backbone : public Model {
 public:
  std::string name() const override { return "backbone"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  std::vector<double> predict_mean(Queue&, const Query& query) const override { return mean(query); }
  std::vector<double> mean(const Query& query) const;
  /// What mean() would say of a training condition had it not been seen (the rules' choice is kept).
  std::vector<double> left_out_mean(const Query& query) const;
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  std::vector<std::string> report() const override;

  /// Whether training cells of this condition in this context were there.
  bool was_seen(const Query& q) const { return effects_->observed(q.condition, q.context) != nullptr; }
  const LatentSpace& space() const { return space_; }
  const std::vector<float>& residuals() const { return residuals_; }
  const TrainingData& data() const { return data_; }
  /// Cells from given latent residuals around a mean, one for each library size.
  GeneratedCells decode(Queue& queue, const std::vector<double>& mean, const std::vector<float>& latent,
                        const std::vector<double>& library_size, std::uint64_t seed) const {
    return decode_counts(queue, space_, latent, mean, library_size, shrinkage_, seed);
  }
  /// Library sizes of training cells of a query's context.
  std::vector<double> library_sizes(const Query& query, std::size_t count, std::uint64_t seed) const {
    return draw_library_sizes(data_, query.context, count, seed);
  }

 private:
  TrainingData data_;
  TrainingOptions options_;
  LatentSpace space_;
  std::vector<float> residuals_;  // [cells, latent]
  std::optional<EffectTable> effects_, shrunk_;
  std::optional<RuleChoice> choice_;
  std::optional<ContextTransfer> transfer_;
  double shrinkage_ = 1;          // of the technical share of the latent
  std::string shrinkage_report_;  // how it was chosen; empty if it was given
};

}  // namespace perturbine

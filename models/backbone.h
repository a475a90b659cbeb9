// What the generative models share, and a model of its own: the closed-form mean, Gaussian residuals in the latent
// space, library sizes, and the calibrated count decoder. A model is judged by its difference to this.
#pragma once
#include "models/closed_form_mean.h"
#include "models/context_frames.h"
#include "models/decoder.h"
#include "models/mean_uncertainty.h"
#include "models/time_course.h"

namespace perturbine {

class Backbone : public Model {
 public:
  std::string name() const override { return "backbone"; }
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override;
  std::vector<double> predict_mean(Queue&, const Query& query) const override { return mean(query); }
  /// Between the times of a time course what lies between their cells, else the closed form.
  std::vector<double> mean(const Query& query) const {
    return query.between ? times_.mean(data_, query) : means_.mean(query);
  }
  MeanStatement state_mean(const Query& query, std::size_t cells) const override {
    return uncertainty_.state(query, means_, cells);
  }
  std::vector<double> left_out_mean(const Query& query) const { return means_.left_out_mean(query); }
  bool was_seen(const Query& query) const { return means_.was_seen(query); }
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  bool has_likelihood(const Query&) const override { return true; }
  /// That of the coordinates' residuals, independent Gaussians in the context's frame.
  LogLikelihood log_likelihood(Queue& queue, const Query& query, const std::vector<float>& expression,
                               const LikelihoodOptions& options) const override;
  /// What of the options a fitted backbone depends on: two with the same text may share one.
  static std::string depends_on(const TrainingOptions& options);
  std::vector<std::string> report() const override;

  const LatentSpace& space() const { return space_; }
  const ContextFrames& frames() const { return frames_; }
  /// Of the training cells about the means of their condition and context, [cells, width], in no frame.
  const std::vector<float>& residuals() const { return residuals_; }
  /// Cells [rows, genes] about a mean [genes] in the frame of a context: [rows, width].
  std::vector<float> residuals_about(const std::vector<float>& expression, const std::vector<double>& mean,
                                     std::size_t context) const;
  const TrainingData& data() const { return data_; }
  const TimeCourse& times() const { return times_; }
  /// Cells from given latent residuals, those of real cells or alike, around a mean, one for each library size.
  GeneratedCells decode(Queue& queue, const std::vector<double>& mean, const std::vector<float>& latent,
                        const std::vector<double>& library_size, std::uint64_t seed) const {
    return decode_counts(queue, space_, latent, mean, library_size, cell_shrinkage_, seed,
                         options_.decoder_calibration == "on");
  }
  /// Library sizes of training cells of a query's context, moved to the query: perturbations change how much RNA a cell
  /// gives. The mean of their logarithms follows the same closed form as expression.
  std::vector<double> library_sizes(const Query& query, std::size_t count, std::uint64_t seed) const;
  /// The sizes training cells would have under a query.
  std::vector<double> moved_library_sizes(const std::vector<std::size_t>& cells, const Query& query) const;

 private:
  TrainingData data_;
  TrainingOptions options_;
  LatentSpace space_;
  ContextFrames frames_;
  std::vector<float> residuals_;  // [cells, latent]
  ClosedFormMean means_, log_sizes_;
  TimeCourse times_;
  MeanUncertainty uncertainty_;
  // Of the technical share of the latent: Gaussian residuals, and those of cells; how they were chosen, if they were.
  double shrinkage_ = 1, cell_shrinkage_ = 1;
  std::vector<std::string> shrinkage_report_;
};

}  // namespace perturbine

// What the trainable models share: the backbone, scaled coordinates of cells, the condition encoder's vocabulary, a
// network over them, its training loop and the state that a checkpoint holds.
#pragma once
#include <memory>

#include "models/backbone.h"
#include "models/condition_batch.h"
#include "models/score_network.h"

namespace perturbine {

/// Probabilities of cells' labels: [cells, contexts], [cells, batches], and of being perturbed [cells].
struct CellLabels {
  std::vector<float> context, batch, perturbed;
};

class NetworkModel : public Model {
 public:
  void fit(Queue& queue, const TrainingData& data, const TrainingOptions& options,
           const ProgressCallback& progress) override {
    prepare(queue, data, options);
    resume(queue, progress);
  }
  /// The backbone's: what is unknown is what training conditions do not tell of the mean, whatever network samples.
  MeanStatement state_mean(const Query& query, std::size_t cells) const override {
    return backbone_->state_mean(query, cells);
  }
  void use_backbone(const std::shared_ptr<const Backbone>& backbone) override { backbone_ = backbone; }

  /// Everything of training that is not in the data. `step` counts finished steps.
  struct State {
    std::size_t step = 0;
    std::vector<float> value, first_moment, second_moment, average;
    std::vector<double> choices;  // made at the end of training, each model's own
    std::vector<float> teacher;   // weights a second stage of training learns from, or empty
  };
  /// What all networks take; models add their own.
  void check_options(const TrainingOptions& options) const override;
  /// Makes the network for the data without training it. Uses the backbone given by use_backbone(), or fits one.
  void prepare(Queue& queue, const TrainingData& data, const TrainingOptions& options);
  /// Trains from the current state to the end.
  virtual void resume(Queue& queue, const ProgressCallback& progress) = 0;
  virtual void set_state(Queue& queue, const State& state);
  virtual State state(Queue& queue) const;
  /// Steps of all stages of training.
  virtual std::size_t total_steps() const { return options_.steps; }

  /// What context and batch cells (expression [cells, genes]) are of and whether they are perturbed; nothing else is
  /// known of them. By a classifier of one hidden layer over the coordinates of the training cells, trained here.
  virtual CellLabels labels(Queue& queue, const std::vector<float>& expression) const;

  Parameters& parameters() { return *parameters_; }
  const Backbone& backbone() const { return *backbone_; }
  std::size_t peak_memory() const { return peak_memory_; }

 protected:
  /// Declares the network's parameters; the base makes the one of options().network.
  virtual void declare(Parameters& parameters);
  /// Values that parameters have before the first step, where random ones or zero do not do; the base sets the time
  /// frequencies.
  virtual void initialise(Queue& queue, Parameters& parameters) const { set_time_frequencies(queue, parameters); }
  /// After the backbone and before the network: makes what the model learns from.
  virtual void prepare_targets(Queue& queue) = 0;

  /// Scaled coordinates of cells about the mean of all training cells, [cells, width].
  std::vector<float> positions_of(const std::vector<float>& expression) const;
  /// The modulation of `times` under a query, one row each, with perturbation and context or without.
  Buffer<float> modulations(Queue& queue, Tape& tape, const Query& query, const std::vector<float>& times,
                            bool perturbed, bool in_context) const;

  /// A step's losses of rows, to be read after the backward pass; where there are several terms, their weighted sum is.
  struct RowLosses {
    struct Term {
      VectorView<float> rows;
      float weight = 1;
    };
    std::vector<Term> terms;
    RowLosses() = default;
    RowLosses(VectorView<float> rows) : terms{{rows, 1}} {}
    double mean(Queue& queue) const;
  };
  /// The parts of a training step. `fill` writes what step number `step` learns from into device memory; `loss` runs
  /// the forward pass and returns the rows' losses; `validation` may be empty.
  struct StepParts {
    std::function<void(std::size_t step)> fill;
    std::function<RowLosses(Tape& tape)> loss;
    std::function<double()> validation;
  };
  /// Steps step_ ... steps - 1 with a warm-up and a cosine's fall of the learning rate over [first, last). False if the
  /// caller's progress asked to stop.
  bool train(Queue& queue, const StepParts& parts, std::size_t first, std::size_t last,
             const ProgressCallback& progress);

  /// `steps` steps of other parameters than the model's own, without progress: for choices.
  void train_apart(Queue& queue, Parameters& parameters, const StepParts& parts, std::size_t steps) const;
  /// The frozen frequencies of time embeddings, 1 to highest_frequency() in equal ratios, into values and average.
  void set_time_frequencies(Queue& queue, Parameters& parameters) const;
  /// Radians per unit of time.
  virtual double highest_frequency() const { return 1000; }

  std::size_t width() const { return variance_.size(); }
  /// Columns of what the network sees and gives.
  virtual std::size_t network_width() const { return width(); }
  /// What the network is told of how far a query's mean changes.
  virtual float length_of(const Query&) const { return 0; }
  const TrainingData& data() const { return backbone_->data(); }

  std::shared_ptr<const Backbone> backbone_;
  TrainingOptions options_;
  ConditionVocabulary vocabulary_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<ScoreNetwork> network_;
  double scale_ = 1;             // one factor that brings the latent to unit variance
  std::vector<float> variance_;  // [width], of the scaled residuals
  std::size_t step_ = 0;

 private:
  std::vector<double> mean_of_all_;
  std::size_t peak_memory_ = 0;
};

/// Every name make_trainable knows.
const std::vector<std::string>& trainable_names();
/// Throws InputError for a name that is not a trainable model's.
std::unique_ptr<NetworkModel> make_trainable(const std::string& name);

/// How many neighbouring rows of a training batch are of one condition, context and time: what these make of the
/// network (more than half of its products) is computed once for all of them.
inline std::size_t cells_sharing(std::size_t rows) { return rows % 4 == 0 ? 4 : rows % 2 == 0 ? 2 : 1; }

/// A whole number below n from a random word.
inline std::size_t below(std::uint32_t word, std::size_t n) {
  return static_cast<std::size_t>((std::uint64_t{word} * n) >> 32);
}

}  // namespace perturbine

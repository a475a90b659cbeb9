// From predictions to rows of results: the metrics of each condition as it comes, those that compare conditions at the
// end.
#pragma once
#include <map>
#include <string>
#include <tuple>

#include "evaluation/benchmark.h"
#include "evaluation/discrimination.h"

namespace perturbine {

class Scoring {
 public:
  Scoring(Queue& queue, const EvaluationSpace& space, BenchmarkResults& results)
      : queue_(queue), space_(space), results_(results) {}
  void score(const std::string& model, std::uint64_t seed, const std::string& fold, const Fold::Entry& entry,
             const HeldOut& truth, const Prediction& prediction);
  /// The same with the condition's metrics at hand.
  void add(const std::string& model, std::uint64_t seed, const std::string& fold, const Fold::Entry& entry,
           const HeldOut& truth, const std::vector<double>& mean, const std::vector<MetricValue>& values);
  /// Counts of randomised PIT values; see BenchmarkResults.
  void add_pit(const std::string& model, const std::vector<double>& counts);
  /// Discrimination among the conditions of one model, seed, context and group, over all folds; whether stated and real
  /// errors of means go together over all conditions of a model and seed, and predicted and known interactions; then
  /// the summary.
  void finish();

 private:
  struct Profile {
    std::string fold;
    Fold::Entry entry;  // without cells
    MeanProfile mean;
  };
  Queue& queue_;
  const EvaluationSpace& space_;
  BenchmarkResults& results_;
  std::map<std::tuple<std::string, std::uint64_t, std::string, std::string>, std::vector<Profile>> profiles_;
  /// Of a model and seed: sizes of predicted interactions, and of known ones.
  std::map<std::pair<std::string, std::uint64_t>, std::pair<std::vector<double>, std::vector<double>>> interactions_;
};

}  // namespace perturbine

// What a benchmark has done already: the scores of one model, seed and fold, kept on disk until all are there, so that
// an interrupted run goes on where it stopped.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/metrics.h"

namespace perturbine {

/// Scores of one model with one seed on one fold.
struct UnitScores {
  struct Entry {
    std::size_t number = 0;    // of the fold's test entries
    std::vector<double> mean;  // predicted, [genes]
    std::vector<MetricValue> values;
    std::vector<double> pit;                         // see BenchmarkResults; empty: no cells
    std::vector<float> real_cells, generated_cells;  // [cells, 2], where a picture is wanted
    std::vector<std::size_t> genes;                  // and what it shows of the genes that changed most
    std::vector<float> real_values, generated_values;
  };
  std::vector<float> loss, validation;  // (step, loss) of the training
  std::vector<Entry> entries;
};

class FinishedUnits {
 public:
  /// Files go into `folder`, which is made on the first store(); an empty name: nothing is kept.
  explicit FinishedUnits(std::string folder) : folder_(std::move(folder)) {}
  /// `key` names everything the scores depend on. A file that cannot be read counts as not there.
  std::optional<UnitScores> load(const std::string& key) const;
  void store(const std::string& key, const UnitScores& scores) const;

 private:
  std::string path(const std::string& key) const;
  std::string folder_;
};

}  // namespace perturbine

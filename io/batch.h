// What models see of a data set: cells of the training part, numbers only.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/condition.h"

namespace perturbine {

/// What is known of perturbations besides cells: a row of numbers for each name.
struct PerturbationFeatures {
  std::vector<std::string> names;  // rising
  std::size_t width = 0;
  std::vector<float> values;  // [names, width]
  /// [width], or null for a name that is not there.
  const float* find(const std::string& name) const {
    const auto at = std::lower_bound(names.begin(), names.end(), name);
    return at == names.end() || *at != name ? nullptr
                                            : values.data() + width * static_cast<std::size_t>(at - names.begin());
  }
};

/// Values of cells. Copies share them until one is written: models keep the cells they were trained on, and a file of
/// 90,000 cells by 5,000 genes has 1.8 GB of them.
class CellValues {
 public:
  CellValues() = default;
  CellValues(std::vector<float> values) : values_(std::make_shared<std::vector<float>>(std::move(values))) {}
  const std::vector<float>& get() const {
    static const std::vector<float> none;
    return values_ ? *values_ : none;
  }
  operator const std::vector<float>&() const { return get(); }
  /// The values to write to, which no copy shares any more.
  std::vector<float>& edit() {
    if (!values_)
      values_ = std::make_shared<std::vector<float>>();
    else if (values_.use_count() > 1)
      values_ = std::make_shared<std::vector<float>>(*values_);
    return *values_;
  }
  void push_back(float v) { edit().push_back(v); }
  const float* data() const { return get().data(); }
  std::size_t size() const { return get().size(); }
  float operator[](std::size_t i) const { return (*values_)[i]; }

 private:
  std::shared_ptr<std::vector<float>> values_;
};

struct TrainingData {
  std::size_t genes = 0;
  std::vector<std::string> gene_names;  // of each gene, or empty where nobody knows
  std::vector<Condition> conditions;    // 0 is control
  std::vector<std::string> contexts;    // at least one; a single empty name where there are none
  std::vector<double> times;            // of each condition where they are a time course's points, else empty
  std::shared_ptr<const PerturbationFeatures> features;  // of perturbations, or null
  std::vector<std::int32_t> condition, context;          // of each cell
  std::vector<std::string> batches;                      // at least one; a single empty name where there are none
  std::vector<std::int32_t> batch;                       // of each cell; empty: all of batch 0
  std::vector<double> library_size;                      // of each cell
  CellValues expression;                                 // [cells, genes], log1p(10,000 count / library size)
  /// Cells of conditions that do not train, for choices; or null. Control stands first among its conditions too.
  std::shared_ptr<const TrainingData> validation;

  std::size_t batch_count() const { return std::max<std::size_t>(1, batches.size()); }
  std::size_t batch_of(std::size_t cell) const { return batch.empty() ? 0 : static_cast<std::size_t>(batch[cell]); }
  std::size_t cells() const { return condition.size(); }
  const float* row(std::size_t cell) const { return expression.data() + cell * genes; }
  /// The count that an expression value of a cell was made of.
  double count(std::size_t cell, std::size_t gene) const {
    const double x = static_cast<double>(row(cell)[gene]);
    return x == 0 ? 0 : std::round(std::expm1(x) * library_size[cell] / 10000);
  }
};

/// A time between two points of a time course.
struct BetweenTimes {
  std::size_t earlier = 0, later = 0;  // numbers of TrainingData::conditions, neighbours in time
  double share = 0;                    // of the way from the earlier to the later, above 0 and below 1
};

/// What is asked of a model.
struct Query {
  Condition condition;
  std::size_t context = 0;  // of TrainingData::contexts
  /// Set where a time is asked for that was not trained; `condition` is then the two neighbours, weighted.
  std::optional<BetweenTimes> between = std::nullopt;
};

}  // namespace perturbine

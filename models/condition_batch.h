// The conditions of a batch: rows of perturbations, context and control cells on the host, and the same in device
// memory of a fixed size.
#pragma once
#include <cmath>
#include <map>
#include <string>

#include "io/batch.h"
#include "models/condition_encoder.h"

namespace perturbine {

/// What rows are made of: the numbers of perturbations and the control cells of each context.
class ConditionVocabulary {
 public:
  ConditionVocabulary() = default;
  /// `coordinates` [cells, width] are the training cells in the model's space (used with a summary only).
  ConditionVocabulary(const TrainingData& data, ControlSummary summary, const std::vector<float>& coordinates,
                      std::size_t width);

  ConditionEncoderSizes sizes(std::size_t hidden) const;
  ControlSummary summary() const { return summary_; }
  std::size_t most_parts() const { return most_parts_; }
  /// Cells in a row's control set: 0 without a summary, 1 for the mean.
  std::size_t set_size() const;
  /// The number of a perturbation, or -1 for one that was never trained.
  std::int32_t number(const std::string& perturbation) const;
  /// A control cell (or the mean) of a context, [width]; null if the context has none. `draw` chooses among them.
  const float* control(std::size_t context, std::uint32_t draw) const;
  std::size_t width() const { return width_; }
  /// Features of perturbations, or null.
  const PerturbationFeatures* features() const { return features_.get(); }
  /// Rows also say how far the mean changes (two numbers of it behind the features).
  void add_length() { with_length_ = true; }
  bool with_length() const { return with_length_; }
  /// Numbers a row has besides sets.
  std::size_t features_width() const { return (features_ ? features_->width : 0) + (with_length_ ? 2 : 0); }

 private:
  bool with_length_ = false;
  ControlSummary summary_ = ControlSummary::none;
  std::size_t width_ = 0, most_parts_ = 1, contexts_ = 1;
  std::map<std::string, std::int32_t> number_;
  std::vector<std::vector<float>> controls_;  // by context: [cells, width], or [1, width]
  std::shared_ptr<const PerturbationFeatures> features_;
};

/// Rows are added one after another.
struct HostConditions {
  struct Sets {
    std::vector<std::int32_t> offsets{0}, index, row;
    std::vector<float> weight;
    void add(std::int32_t i, float w);
    void end_row() { offsets.push_back(static_cast<std::int32_t>(index.size())); }
    void pad(std::size_t members);  // with members of no weight behind the table's end
  };
  Sets perturbations, contexts;
  std::vector<float> control_cells, control_present;
  std::vector<std::int32_t> control_length;
  std::vector<float> features;

  /// Null `condition`: no perturbation; negative `context`: none. `draw(k)` gives a random word for the k-th cell of
  /// the control set. `length`: how far the condition's mean changes.
  template <class Draw>
  void add_row(const ConditionVocabulary& v, const Condition* condition, std::int32_t context, Draw&& draw,
               float length = 0) {
    if (condition != nullptr)
      for (const auto& p : condition->parts)
        if (const std::int32_t n = v.number(p.name); n >= 0) perturbations.add(n, static_cast<float>(p.weight));
    if (const PerturbationFeatures* f = v.features()) {
      features.resize(features.size() + f->width, 0);
      if (condition != nullptr)
        for (const auto& p : condition->parts)
          if (const float* x = f->find(p.name))
            for (std::size_t k = 0; k < f->width; ++k)
              features[features.size() - f->width + k] += static_cast<float>(p.weight) * x[k];
    }
    if (v.with_length()) {
      const float known = condition != nullptr ? length : 0.0f;
      features.insert(features.end(), {std::log1p(known), known / (2 + known)});
    }
    if (context >= 0) contexts.add(context, 1);
    perturbations.end_row(), contexts.end_row();
    const std::size_t set = v.set_size();
    bool present = context >= 0;
    for (std::size_t k = 0; k < set; ++k) {
      const float* cell = present ? v.control(static_cast<std::size_t>(context), draw(k)) : nullptr;
      present = cell != nullptr;
      for (std::size_t c = 0; c < v.width(); ++c) control_cells.push_back(present ? cell[c] : 0.0f);
    }
    control_present.push_back(present ? 1.0f : 0.0f);
    control_length.push_back(present ? static_cast<std::int32_t>(set) : 0);
  }
};

/// Device memory for `rows` rows, filled anew each step at the same addresses.
class DeviceConditions {
 public:
  /// At most `parts` perturbations a row.
  DeviceConditions(Queue& queue, const ConditionVocabulary& vocabulary, std::size_t rows, std::size_t parts);
  void set(Queue& queue, HostConditions&& host);
  EncodedCondition view(VectorView<const float> time) const;

 private:
  std::size_t rows_, members_, set_, width_, features_width_;
  Buffer<std::int32_t> offsets_, index_, member_row_, context_offsets_, context_index_, context_row_, control_length_;
  Buffer<float> weight_, context_weight_, control_cells_, control_present_, features_;
};

}  // namespace perturbine

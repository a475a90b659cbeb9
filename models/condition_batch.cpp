#include "models/condition_batch.h"

namespace perturbine {

constexpr std::size_t attention_set = 8;  // control cells a row sees; the cost of a step grows with it

ConditionVocabulary::ConditionVocabulary(const TrainingData& data, ControlSummary summary,
                                         const std::vector<float>& coordinates, std::size_t width)
    : summary_(data.contexts.size() > 1 ? summary : ControlSummary::none),
      width_(summary_ == ControlSummary::none ? 0 : width),
      contexts_(data.contexts.size()),
      features_(data.features) {
  for (const auto& c : data.conditions) {
    most_parts_ = std::max(most_parts_, c.parts.size());
    for (const auto& p : c.parts) number_.emplace(p.name, static_cast<std::int32_t>(number_.size()));
  }
  if (summary_ == ControlSummary::none) return;
  controls_.resize(contexts_);
  for (std::size_t i = 0; i < data.cells(); ++i)
    if (data.condition[i] == 0) {
      const float* x = coordinates.data() + i * width;
      auto& to = controls_[static_cast<std::size_t>(data.context[i])];
      to.insert(to.end(), x, x + width);
    }
  if (summary_ != ControlSummary::mean) return;
  for (auto& cells : controls_) {
    const std::size_t n = cells.size() / width;
    std::vector<double> sum(width, 0);
    for (std::size_t i = 0; i < cells.size(); ++i) sum[i % width] += static_cast<double>(cells[i]);
    cells.clear();
    for (std::size_t k = 0; k < width && n > 0; ++k)
      cells.push_back(static_cast<float>(sum[k] / static_cast<double>(n)));
  }
}

ConditionEncoderSizes ConditionVocabulary::sizes(std::size_t hidden) const {
  ConditionEncoderSizes s;
  s.hidden = hidden, s.perturbations = number_.size(), s.contexts = contexts_;
  s.summary = summary_, s.cell_width = width_;
  s.features = features_width();
  while (hidden % s.heads != 0) s.heads /= 2;
  return s;
}

std::size_t ConditionVocabulary::set_size() const {
  return summary_ == ControlSummary::none ? 0 : summary_ == ControlSummary::mean ? 1 : attention_set;
}

std::int32_t ConditionVocabulary::number(const std::string& perturbation) const {
  const auto found = number_.find(perturbation);
  return found == number_.end() ? -1 : found->second;
}

const float* ConditionVocabulary::control(std::size_t context, std::uint32_t draw) const {
  const std::vector<float>& cells = controls_[context];
  const std::uint64_t n = cells.size() / width_;
  return n == 0 ? nullptr : cells.data() + ((std::uint64_t{draw} * n) >> 32) * width_;
}

void HostConditions::Sets::add(std::int32_t i, float w) {
  index.push_back(i);
  weight.push_back(w);
  row.push_back(static_cast<std::int32_t>(offsets.size()) - 1);
}

void HostConditions::Sets::pad(std::size_t members) {
  index.resize(members, 1 << 30);
  weight.resize(members, 0);
  row.resize(members, 0);
}

DeviceConditions::DeviceConditions(Queue& q, const ConditionVocabulary& v, std::size_t rows, std::size_t parts)
    : rows_(rows),
      members_(rows * parts),
      set_(v.set_size()),
      width_(v.width()),
      features_width_(v.features_width()),
      offsets_(q, rows + 1),
      index_(q, members_),
      member_row_(q, members_),
      context_offsets_(q, rows + 1),
      context_index_(q, rows),
      context_row_(q, rows),
      control_length_(q, rows),
      weight_(q, members_),
      context_weight_(q, rows),
      control_cells_(q, rows * set_ * width_),
      control_present_(q, rows),
      features_(q, rows * features_width_) {}

void DeviceConditions::set(Queue& q, HostConditions&& h) {
  require(h.perturbations.index.size() <= members_, "a batch has more perturbations than its memory");
  h.perturbations.pad(members_);
  h.contexts.pad(rows_);
  offsets_.set(q, h.perturbations.offsets), index_.set(q, h.perturbations.index);
  member_row_.set(q, h.perturbations.row), weight_.set(q, h.perturbations.weight);
  context_offsets_.set(q, h.contexts.offsets), context_index_.set(q, h.contexts.index);
  context_row_.set(q, h.contexts.row), context_weight_.set(q, h.contexts.weight);
  control_length_.set(q, h.control_length), control_present_.set(q, h.control_present);
  if (set_ != 0) control_cells_.set(q, h.control_cells);
  if (features_width_ != 0) features_.set(q, h.features);
}

EncodedCondition DeviceConditions::view(VectorView<const float> time) const {
  EncodedCondition c{time,
                     {offsets_.view(), index_.view(), member_row_.view(), weight_.view()},
                     {context_offsets_.view(), context_index_.view(), context_row_.view(), context_weight_.view()},
                     {},
                     control_present_.view(),
                     control_length_.view()};
  if (features_width_ != 0) c.features = features_.matrix(rows_, features_width_);
  if (set_ != 0) c.control_cells = control_cells_.matrix(rows_ * set_, width_);
  return c;
}

}  // namespace perturbine

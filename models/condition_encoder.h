// The one condition encoder: diffusion time, the weighted set of perturbations, the context, and a summary of matched
// control cells, to one vector a row.
#pragma once
#include "engine/ops/ops.h"

namespace perturbine {

enum class ControlSummary { none, mean, attention };

struct ConditionEncoderSizes {
  std::size_t hidden = 256, perturbations = 0, contexts = 1, time_features = 64;
  std::size_t features = 0;  // numbers known of every row
  ControlSummary summary = ControlSummary::none;
  std::size_t cell_width = 0, heads = 4;  // of control cells; heads divides hidden
};

/// What is known of each row of a batch.
struct EncodedCondition {
  VectorView<const float> time;  // [rows], in [0, 1]
  ops::Sets perturbations;       // of the rows
  ops::Sets contexts;            // one member a row, or none where the context is dropped
  // Control cells of the row's context; empty without a summary. mean: their mean, [rows, cell_width], and 1 or 0 (left
  // out). attention: a set of cells, row i's in rows i * set_size ..., and how many of them count (0: left out).
  MatrixView<const float> control_cells;
  VectorView<const float> control_present;        // [rows]
  VectorView<const std::int32_t> control_length;  // [rows]
  MatrixView<const float> features = {};  // [rows, features]: the weighted sum over the row's perturbations, ...
};

/// e = MLP(time features) + sum of weight * perturbation embedding + linear(sum of weight * features of perturbations)
/// + context embedding + control summary; silu(e) is what networks see. The linear map of features starts at zero. The
/// summary starts at zero:
///   mean       linear(silu(linear(mean of the context's control cells)))
///   attention  linear(softmax attention of the rest of e over the set's cells; Vaswani et al., arXiv:1706.03762)
class ConditionEncoder {
 public:
  /// `prefix` stands before the parameters' names.
  ConditionEncoder(Parameters& parameters, const ConditionEncoderSizes& sizes, float embedding_penalty,
                   const std::string& prefix = "");
  /// silu(e), [rows, hidden].
  Var encode(Tape& tape, const EncodedCondition& condition) const;
  const ConditionEncoderSizes& sizes() const { return sizes_; }

 private:
  ConditionEncoderSizes sizes_;
  Parameter frequency_, time_w1_, time_b1_, time_w2_, time_b2_, perturbation_, context_, features_w_, features_b_;
  Parameter query_w_, query_b_, key_w_, key_b_, value_w_, value_b_, summary_w_, summary_b_;
};

}  // namespace perturbine

// Perturbations as operators on the state of a cell: z_perturbed = z_control + sum over parts of Delta.
#pragma once
#include <vector>

#include "io/batch.h"
#include "models/condition_batch.h"

namespace perturbine {

/// Rows' perturbations, one part of each row to a slot.
struct HostOperators {
  explicit HostOperators(std::size_t slots) : index(slots), present(slots), dose(slots) {}
  std::vector<std::vector<std::int32_t>> index;
  std::vector<std::vector<float>> present, dose;
  /// Null: no perturbation. Parts that were never trained are left out.
  void add_row(const ConditionVocabulary& vocabulary, const Condition* condition);
};

/// Device memory for the operators of `rows` rows, filled anew each step at the same addresses.
class OperatorBatch {
 public:
  OperatorBatch(Queue& queue, std::size_t rows, std::size_t slots);
  void set(Queue& queue, const HostOperators& host);
  std::size_t rows() const { return rows_; }
  std::size_t slots() const { return slots_.size(); }
  /// One member a row; its weight is the dose, or 1.
  ops::Sets sets(std::size_t slot, bool by_dose) const;
  VectorView<const float> dose(std::size_t slot) const { return slots_[slot].dose.view(); }

 private:
  struct Slot {
    Buffer<std::int32_t> index;
    Buffer<float> present, dose;
  };
  std::size_t rows_;
  Buffer<std::int32_t> offsets_, member_row_;
  std::vector<Slot> slots_;
};

struct OperatorSettings {
  std::string dose = "linear";   // linear, sigmoid or monotone
  std::size_t interactions = 0;  // rank of the pairwise interaction; 0: none
  bool masks = false;            // gates that are open where the data want them to be
  float penalty = 1e-2f;
};

/// Delta(c) = sum over parts p of s_p(dose) (gate_p * delta_p) + V sum over pairs of (u_p * u_q). delta is the table of
/// operators; s_p(1) = 1; gates are sigmoids of a table; the interaction starts at zero.
/// Sources: Lopez et al., sVAE (CLeaR 2023) and Bereket and Karaletsos, SAMS-VAE (arXiv:2311.02794) for additive
/// operators with sparse gates; Rendle, ICDM 2010, for pairwise interactions of low rank.
class PerturbationOperators {
 public:
  PerturbationOperators(Parameters& parameters, std::size_t perturbations, std::size_t width,
                        const OperatorSettings& settings);
  /// [rows, width]
  Var shift(Tape& tape, const OperatorBatch& batch) const;
  /// The penalty on open gates, the mean of their squares with weights of rows; nothing without masks.
  void penalise_gates(Tape& tape, const OperatorBatch& batch, VectorView<const float> row_weight) const;
  Parameter table() const { return table_; }

 private:
  std::size_t width_;
  OperatorSettings settings_;
  Parameter table_, gate_, dose_, interaction_, interaction_out_, no_bias_;
};

}  // namespace perturbine

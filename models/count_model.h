// What the published systems that decode counts share: real cells in, a decoder's counts out.
#pragma once
#include <optional>

#include "models/published_model.h"

namespace perturbine {

class CountModel : public PublishedModel {
 public:
  /// The mean of what every control cell of the context becomes; of at least 2000 cells where counts are drawn.
  std::vector<double> predict_mean(Queue& queue, const Query& query) const override;
  /// What control cells of the context become, each at most once.
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;

 protected:
  /// What a training step reads of its cells.
  struct CellBatch {
    std::size_t rows, genes;
    Buffer<float> log_counts, values, total, mean_weight, one;
    Buffer<std::int32_t> row_offsets, columns;
    Buffer<std::uint64_t> offset;

    CellBatch(Queue& queue, std::size_t rows, std::size_t genes, std::size_t most_values);
    /// The first `rows` of `cells`; `step` makes the offset of their noise.
    void set(Queue& queue, const CountModel& model, const std::vector<std::size_t>& cells, std::size_t step);
    CsrView<float> counts() const { return {row_offsets.view(), columns.view(), values.view(), rows, genes}; }
    VectorView<const float> row_weight() const { return mean_weight.view(); }  // 1 / rows
  };
  /// Parameters of counts: means [rows, genes], one dispersion a gene, logits of structural zeros [rows, genes].
  struct Decoded {
    Var rate, dispersion;
    std::optional<Var> zero_logit;
  };

  /// begin(), and keeps the cells' counts and the names of perturbations.
  void begin_counts(const TrainingData& data, const TrainingOptions& options);
  /// Of scvi-tools: 400, or 8 million cells in all where that is fewer.
  std::size_t usual_epochs() const;
  /// log1p of counts of cells first ... first + count - 1 of a list, [count, genes].
  std::vector<float> log_counts_of(const std::vector<std::size_t>& cells, std::size_t first, std::size_t count) const;
  /// Position of a perturbation among `perturbations_`, or -1 for one that was not seen.
  std::ptrdiff_t number_of(const std::string& perturbation) const;
  /// Whether cells are counts drawn from what was decoded, or their expectation.
  virtual bool draws() const { return true; }
  /// What cells are under a query, by the running statistics.
  virtual Decoded decode(Tape& tape, Var log_counts, VectorView<const float> total, const Query& query,
                         VectorView<const std::uint64_t> offset, std::uint64_t seed) const = 0;

  std::vector<std::string> perturbations_;  // rising
  std::vector<float> counts_;               // [cells, genes]
  std::vector<float> total_;                // of each cell's counts, at least 1
  std::size_t most_values_ = 0;             // counts that are not zero, in any cell

 private:
  GeneratedCells decoded(Queue& queue, const std::vector<std::size_t>& cells, const Query& query,
                         std::uint64_t seed) const;
};

}  // namespace perturbine

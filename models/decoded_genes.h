// Which genes a training step decodes, and the cells' values of them.
//
// Of at most 2000 genes a step decodes all. Of more it decodes 1000 always, those that most cells show, and 1000 of the
// others, drawn anew each step, whose likelihood counts as many times as there are others for each. The expectation is
// that of all genes, decoding costs no more than with 2000, and the genes that say most of a cell are not left to
// chance: a stratified sample (Cochran, Sampling Techniques, 1977, chapter 5).
#pragma once
#include <algorithm>

#include "engine/ops/ops.h"

namespace perturbine {

/// Cells' values in compressed rows: columns of row i, rising, from offset i on.
struct CompressedCells {
  std::vector<std::int32_t> row_offsets{0}, columns;
  std::vector<float> values;
  std::size_t most_values = 1;  // of one cell
  std::size_t cells() const { return row_offsets.size() - 1; }
  /// Puts in a value of the cell that is being added; end_cell() ends it.
  void add(std::size_t column, float value);
  void end_cell();
};

/// What a step decodes, in device memory at addresses that stay.
class DecodedGenes {
 public:
  static constexpr std::size_t most = 2000;

  /// Genes that are decoded with one weight: columns first ... first + count - 1 of what is decoded.
  struct Group {
    std::size_t first = 0, count = 0;
    float weight = 1;
    Buffer<float> row_weight;  // [rows]: weight / rows
    Buffer<std::int32_t> row_offsets, columns;
    Buffer<float> values;
    /// The step's cells [rows, count].
    CsrView<float> cells() const;
  };

  /// For steps of `rows` of these cells, which must outlive this.
  DecodedGenes(Queue& queue, const CompressedCells& cells, std::size_t genes, std::size_t rows);

  /// Factor on the learning rate of what is learned for every gene. A gradient that comes in one of r steps, r times as
  /// large, has the mean but r times the second moment of one that always comes, and AdamW's step is sqrt(r) smaller.
  static float rate_factor(std::size_t genes);

  std::size_t count() const { return std::min(genes_, most); }
  bool all() const { return genes_ <= most; }
  /// The decoded genes among all; unless all are.
  ops::Choice choice() const { return {index_.view(), place_.view()}; }
  const std::vector<Group>& groups() const { return groups_; }

  /// Sets what step number `step` decodes of these cells.
  void set(Queue& queue, const std::vector<std::size_t>& chosen, std::uint64_t seed, std::size_t step);

 private:
  const CompressedCells& cells_;
  std::size_t genes_;
  std::vector<std::int32_t> shown_, others_;  // the genes always decoded, rising, and all others
  std::vector<Group> groups_;
  Buffer<std::int32_t> index_, place_;
};

}  // namespace perturbine

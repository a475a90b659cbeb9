// A data set in memory: counts, and for every cell its condition, context, batch and library size.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/condition.h"
#include "io/counts.h"

namespace perturbine {

/// How to read a file; the fields are the command line's data options.
struct DataOptions {
  std::string path;
  /// Columns of obs; empty: the usual name where the file has it; `none` (cell type, batch, time): no such column.
  std::string condition_column = "condition", cell_type_column, batch_column, time_column, library_size_column, layer;
  std::vector<std::string> control;  // further labels that mean control
  std::string expression;            // "", "counts" or "log1p"
  std::string batch = "ignore";      // or covariate: cells of different batches are different contexts
  std::size_t memory_megabytes = 8192;
  /// Generated cells, of any tool: controls are not needed, and messages name the options `evaluate` has for them.
  bool generated = false;
  std::vector<std::string> known_perturbations;  // from elsewhere; see parse_labels
  /// Cells that something is asked of: controls are not needed, a condition may have one cell, and a file without the
  /// condition column holds control cells.
  bool given_cells = false;
};

struct Dataset {
  std::string path, sha256;
  bool simulated = false;
  bool counts_known = true;  // false: the file held log1p values, turned into pseudo-counts of library size 10,000
  CsrMatrix counts;
  std::vector<std::string> gene_names, cell_names;
  std::vector<std::string> labels;    // canonical labels of the conditions, control first, then bytewise
  std::vector<Condition> conditions;  // of each label
  /// Time of each label where the file is a time course: every condition has one time and no two share one. Else empty.
  std::vector<double> times;
  std::vector<std::string> cell_types, batches;  // one empty name where there is no such column
  /// What models tell apart besides conditions: cell types, or with DataOptions::batch covariate each cell type's
  /// batches ("type|batch", or the batch's name where there is one type).
  std::vector<std::string> contexts;
  std::vector<std::int32_t> condition, cell_type, batch, context;  // of each cell
  std::vector<double> library_size;                                // of each cell
  std::string library_size_source;                                 // a column's name, or "row sums"

  std::size_t cells() const { return counts.rows; }
  std::size_t genes() const { return counts.columns; }
  /// The label's number; throws InputError with near spellings.
  std::size_t condition_index(const std::string& label) const;
  std::vector<std::size_t> cells_of(std::size_t condition_number) const;
  /// Dense log1p(10,000 count / library size) of the given cells, row by row.
  std::vector<float> expression(const std::vector<std::size_t>& cells) const;
  /// The same of all cells with genes in another order: `genes` are found by name. Throws InputError naming the first
  /// that is not there.
  std::vector<float> expression_of_genes(const std::vector<std::string>& genes) const;
};

/// Reads and checks a whole file in blocks of rows. `say` receives one line per thing a user should know.
Dataset read_dataset(const DataOptions& options, const std::function<void(const std::string&)>& say = {});

}  // namespace perturbine

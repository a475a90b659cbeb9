// One normal form from any AnnData files: names harmonised, poor cells and rare conditions left out, genes selected.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/dataset.h"
#include "io/h5ad.h"

namespace perturbine {

/// The fields are the command line's options of `prepare`.
struct PrepareOptions {
  std::vector<std::string> paths;
  DataOptions columns;                        // of every file; `path` is not read
  std::string dose_column;                    // a number, or one of each part joined by `+`
  std::vector<std::string> leave_out;         // labels whose cells are left out
  std::size_t min_counts = 0, min_genes = 0;  // of a cell, before genes are selected
  double max_mitochondrial = 1;               // share of a cell's counts in genes named MT-...
  std::size_t min_cells = 2;                  // of a condition
  std::size_t cells_per_condition = 0;        // of each condition and cell type, drawn by the seed; 0: all
  std::size_t min_gene_cells = 0;             // cells of the selecting ones that have the gene
  std::size_t genes = 0;                      // the most variable ones; 0: all
  std::string gene_list;                      // a file of names
  bool keep_targets = false;                  // genes that perturbations are named after stay
  std::string split;                          // its training cells select genes; empty: control cells do
  std::uint64_t seed = 1;
};

/// Reads the files (each within `columns.memory_megabytes`), harmonises and filters them. Of obs it writes `condition`
/// (canonical), `library_size` (over all genes of the cell's file), and where the files have them `cell_type`, `batch`
/// and `time`; of several files the genes that all have, with the file's name as batch. Test cells of the split choose
/// no gene. `say` receives a line for everything left out. Throws InputError.
H5adContents prepare(const PrepareOptions& options, const std::function<void(const std::string&)>& say);

}  // namespace perturbine

// Cells of one or several files with what is known of each: what `prepare` works on.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "io/counts.h"
#include "io/prepare.h"

namespace perturbine {

/// Columns that the files lack are empty vectors; the others have one value for each row of `counts`.
struct CellTable {
  CsrMatrix counts;
  std::vector<std::string> genes, names, label, dose, cell_type, batch;
  std::vector<double> time, library_size;
  bool simulated = false;

  std::size_t size() const { return names.size(); }
  /// Keeps the rows, or genes, of these rising numbers.
  void keep_cells(const std::vector<std::size_t>& rows);
  void keep_genes(const std::vector<std::size_t>& chosen);
};

/// The cells of one file that pass the options' filters; says what it leaves out. Throws InputError.
CellTable read_cells(const PrepareOptions& options, const std::string& path,
                     const std::function<void(const std::string&)>& say);

/// Adds the cells of the file `path`: of genes that both have, in the order of the first. Throws InputError where they
/// share none or one of them lacks a column.
void merge(CellTable& all, CellTable more, const std::string& path, const std::function<void(const std::string&)>& say);

}  // namespace perturbine

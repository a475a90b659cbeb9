// AnnData files (.h5ad): a checked description first, then rows in blocks. Reads the current layout, that of 0.7, and
// that of 0.6 and before, whose data frames are compound datasets; writes what anndata opens. Specification: anndata's
// file format documentation.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/counts.h"
#include "io/hdf5.h"

namespace perturbine {

/// What a file holds, checked against itself before any data is read.
struct H5adDescription {
  enum class Format { csr, csc, dense };
  std::string path;
  std::size_t cells = 0, genes = 0, non_zeros = 0;  // non_zeros: stored elements
  Format format = Format::csr;
  std::string matrix;             // "X", "layers/NAME", "raw/X" (of 0.6: "raw.X")
  bool unread_raw = false;        // there is a raw/X, often the counts behind an X, and it is not what is read
  std::size_t renamed_cells = 0;  // whose name an earlier cell has: they are called NAME-1, NAME-2, ... here
  std::vector<std::string> layers;
  std::vector<std::string> obs_columns;
  std::vector<std::string> gene_names, cell_names;
};

/// The line that says how repeated names of cells are read.
std::string note_on_repeated_cells(const H5adDescription& description);

class H5adFile {
 public:
  /// Opens and checks; `layer` empty: X; "raw", where no layer is called so: raw/X with the genes of raw/var. Throws
  /// InputError naming file, object and what is wrong.
  explicit H5adFile(const std::string& path, const std::string& layer = "");

  const H5adDescription& description() const { return description_; }
  bool has_column(const std::string& name) const;
  /// Throws InputError with the columns there are, and the option that named this one.
  void require_column(const std::string& name, const std::string& option) const;
  /// A column of obs as text: strings, categories, or numbers as they are written. Missing values are "".
  std::vector<std::string> text_column(const std::string& name) const;
  std::vector<double> number_column(const std::string& name) const;
  /// Rows [first, first + count), checked: finite, columns in range, each once; they rise, whatever their order in the
  /// file. Of a matrix in columns (CSC) the first call turns all of it into rows and keeps them.
  CsrMatrix read_rows(std::size_t first, std::size_t count) const;
  /// What reading all rows takes at most, in bytes.
  std::size_t memory() const {
    return description_.non_zeros * (description_.format == H5adDescription::Format::csc ? 16 : 8);
  }

 private:
  std::vector<std::string> frame_index(const std::string& frame) const;
  std::vector<std::string> frame_columns(const std::string& frame) const;
  std::vector<std::string> frame_fields(const std::string& frame) const;
  std::vector<std::string> field_as_text(const std::string& frame, const std::string& name) const;
  std::vector<std::string> values_as_text(const std::string& path, int depth = 0) const;
  void choose_matrix(const std::string& layer);
  void describe_matrix();
  void number_repeated_cells();
  CsrMatrix rows_of_columns() const;

  H5adDescription description_;
  hdf5::Handle file_;
  std::vector<std::int64_t> offsets_;      // indptr: of rows, or of CSC's columns
  mutable std::optional<CsrMatrix> rows_;  // of a matrix in columns
};

/// Cells to write as .h5ad.
struct H5adContents {
  CsrMatrix matrix;
  std::vector<std::string> gene_names, cell_names;
  std::vector<std::pair<std::string, std::vector<std::string>>> text_columns;  // of obs, written as categories
  std::vector<std::pair<std::string, std::vector<double>>> number_columns;     // of obs
  std::vector<std::pair<std::string, std::string>> notes;                      // uns/perturbine/<name>, text
  /// uns/perturbine/<name>: dense arrays with their shape.
  std::vector<std::tuple<std::string, std::vector<std::size_t>, std::vector<float>>> arrays;
};
void write_h5ad(const std::string& path, const H5adContents& contents);

}  // namespace perturbine

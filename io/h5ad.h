// AnnData files (.h5ad): a checked description first, then rows in blocks. Reads the current layout and that of 0.7;
// writes what anndata opens. Specification: anndata's file format documentation.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "io/counts.h"
#include "io/hdf5.h"

namespace perturbine {

/// What a file holds, checked against itself before any data is read.
struct H5adDescription {
  enum class Format { csr, dense };
  std::string path;
  std::size_t cells = 0, genes = 0, non_zeros = 0;  // non_zeros: stored elements
  Format format = Format::csr;
  std::string matrix;  // "X" or "layers/NAME"
  std::vector<std::string> layers;
  std::vector<std::string> obs_columns;
  std::vector<std::string> gene_names, cell_names;
};

class H5adFile {
 public:
  /// Opens and checks; `layer` empty: X. Throws InputError naming file, object and what is wrong.
  explicit H5adFile(const std::string& path, const std::string& layer = "");

  const H5adDescription& description() const { return description_; }
  bool has_column(const std::string& name) const;
  /// A column of obs as text: strings, categories, or numbers as they are written. Missing values are "".
  std::vector<std::string> text_column(const std::string& name) const;
  std::vector<double> number_column(const std::string& name) const;
  /// Rows [first, first + count), checked: finite, columns in range and strictly rising.
  CsrMatrix read_rows(std::size_t first, std::size_t count) const;

 private:
  std::vector<std::string> frame_index(const std::string& frame) const;
  std::vector<std::string> frame_columns(const std::string& frame) const;
  std::vector<std::string> values_as_text(const std::string& path) const;
  void describe_matrix(const std::string& layer);

  H5adDescription description_;
  hdf5::Handle file_;
  std::vector<std::int64_t> row_offsets_;
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

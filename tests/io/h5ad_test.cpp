// Reading and writing AnnData files, and every way a file may be wrong: one clear sentence each.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "io/dataset.h"
#include "io/h5ad.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::folder;
using testing_files::SmallFile;

std::string complaint_about(const std::string& path, DataOptions o = {}) {
  o.path = path;
  return testing_files::complaint([&] { read_dataset(o); });
}

// The same file as anndata 0.6 wrote it: data frames are compound datasets whose first field is the index, categories
// stand in uns, and raw.X beside X.
std::string written_by_anndata_0_6(const SmallFile& f, const std::string& name, const std::string& matrix) {
  const auto file = hdf5::create_in_memory();
  const auto g = hdf5::create_group(file, matrix);
  hdf5::write_text_attribute(g, "h5sparse_format", "csr");
  hdf5::write_integer_list_attribute(g, "h5sparse_shape", f.shape);
  hdf5::write_array(g, "data", H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, {f.data.size()}, f.data.data());
  hdf5::write_array(g, "indices", H5T_STD_I32LE, H5T_NATIVE_INT64, {f.indices.size()}, f.indices.data());
  hdf5::write_array(g, "indptr", H5T_STD_I32LE, H5T_NATIVE_INT64, {f.indptr.size()}, f.indptr.data());
  struct Row {
    char index[8];
    signed char condition;
    double size;
  };
  const auto frame = [&](const char* path, const std::vector<std::string>& names, bool cells) {
    std::vector<Row> rows;
    for (std::size_t i = 0; i < names.size(); ++i) {
      Row r{{}, static_cast<signed char>(!cells ? 0 : f.condition[i] == "A" ? 0 : f.condition[i] == "B" ? 1 : 2), 5.5};
      names[i].copy(r.index, 7);
      rows.push_back(r);
    }
    const hdf5::Handle text(H5Tcopy(H5T_C_S1), &H5Tclose), type(H5Tcreate(H5T_COMPOUND, sizeof(Row)), &H5Tclose);
    H5Tset_size(text, 8);
    H5Tinsert(type, "index", HOFFSET(Row, index), text);
    if (cells) {
      H5Tinsert(type, "condition", HOFFSET(Row, condition), H5T_NATIVE_SCHAR);
      H5Tinsert(type, "size", HOFFSET(Row, size), H5T_NATIVE_DOUBLE);
    }
    const hsize_t n = rows.size();
    const hdf5::Handle space(H5Screate_simple(1, &n, nullptr), &H5Sclose),
        data(H5Dcreate2(file, path, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), &H5Dclose);
    H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data());
  };
  frame("obs", f.cells, true);
  frame("var", matrix == "X" ? f.genes : std::vector<std::string>{"g1"}, false);
  if (matrix != "X") frame("raw.var", f.genes, false);
  hdf5::create_group(file, "uns");
  hdf5::write_strings(file, "uns/condition_categories", {"A", "B", "control"});
  const auto bytes = hdf5::image(file);
  std::string path = folder() + "/" + name;
  write_file(path, bytes.data(), bytes.size());
  return path;
}

TEST(H5ad, FilesOfAnndata06AreRead) {
  SmallFile f;
  DataOptions o;
  o.path = f.write("new.h5ad");
  const Dataset now = read_dataset(o);
  for (const std::string matrix : {"X", "raw.X"}) {
    o.path = written_by_anndata_0_6(f, "old.h5ad", matrix);
    o.layer = matrix == "X" ? "" : "raw";
    const Dataset old = read_dataset(o);
    EXPECT_EQ(old.counts.values, now.counts.values);
    EXPECT_EQ(old.counts.column_index, now.counts.column_index);
    EXPECT_EQ(old.gene_names, now.gene_names);
    EXPECT_EQ(old.cell_names, now.cell_names);
    EXPECT_EQ(old.labels, now.labels);
    EXPECT_EQ(old.condition, now.condition);
    const H5adFile file(o.path, o.layer);
    EXPECT_EQ(file.description().obs_columns, (std::vector<std::string>{"condition", "size"}));
    EXPECT_EQ(file.number_column("size"), std::vector<double>(12, 5.5));
  }
  o.layer = "";
  EXPECT_SAYS(complaint_about(o.path), "X does not exist; the file has the layers raw (raw.X) (--layer NAME)");
  f.condition[3] = "B", f.condition.resize(11), f.cells.resize(11);
  EXPECT_SAYS(complaint_about(written_by_anndata_0_6(f, "short.h5ad", "X")), "12 rows but obs names 11 cells");
}

TEST(H5ad, EveryFormOfOneMatrixGivesTheSameDataSet) {
  SmallFile f;
  DataOptions o;
  o.path = f.write("csr.h5ad");
  const Dataset csr = read_dataset(o);
  EXPECT_EQ(csr.labels, (std::vector<std::string>{"control", "A", "B"}));
  EXPECT_EQ(csr.cells(), 12u);
  EXPECT_EQ(csr.library_size_source, "row sums");
  for (const std::string kind :
       {"dense", "layer", "anndata 0.7", "columns", "unsorted rows", "unsorted columns", "raw"}) {
    SmallFile other;
    DataOptions p;
    if (kind == "dense") other.dense = true;
    if (kind == "layer") other.matrix = "layers/counts", p.layer = "counts";
    if (kind == "anndata 0.7") other.legacy = true;
    if (kind.ends_with("columns")) other = other.columns();
    if (kind.starts_with("unsorted"))
      for (std::size_t i = 0; i + 1 < other.indptr.size(); ++i) {
        std::reverse(other.indices.begin() + other.indptr[i], other.indices.begin() + other.indptr[i + 1]);
        std::reverse(other.data.begin() + other.indptr[i], other.data.begin() + other.indptr[i + 1]);
      }
    if (kind == "raw") other.matrix = "raw/X", p.layer = "raw";
    p.path = other.write("other.h5ad");
    const Dataset d = read_dataset(p);
    EXPECT_EQ(d.gene_names, csr.gene_names) << kind;
    EXPECT_EQ(d.counts.row_offsets, csr.counts.row_offsets) << kind;
    EXPECT_EQ(d.counts.values, csr.counts.values) << kind;
    EXPECT_EQ(d.counts.column_index, csr.counts.column_index) << kind;
    EXPECT_EQ(d.condition, csr.condition) << kind;
  }
}

TEST(H5ad, RowsOfAMatrixInColumnsAreReadInBlocks) {
  const H5adFile f(SmallFile().columns().write("columns.h5ad")), rows(SmallFile().write("rows.h5ad"));
  EXPECT_EQ(f.description().format, H5adDescription::Format::csc);
  EXPECT_EQ(f.memory(), 2 * rows.memory());
  for (std::size_t i = 0; i < 12; i += 5) {
    const std::size_t n = std::min<std::size_t>(5, 12 - i);
    EXPECT_EQ(f.read_rows(i, n).column_index, rows.read_rows(i, n).column_index) << i;
    EXPECT_EQ(f.read_rows(i, n).values, rows.read_rows(i, n).values) << i;
  }
}

TEST(H5ad, CountsWithRoundingErrorsAreRounded) {
  SmallFile f;
  DataOptions o;
  o.path = f.write("whole.h5ad");
  const Dataset whole = read_dataset(o);
  f.data[2] *= 1 + 1e-6, f.data[5] -= 5e-4;
  o.path = f.write("nearly.h5ad");
  std::string said;
  const Dataset d = read_dataset(o, [&](const std::string& line) { said += line + "\n"; });
  EXPECT_EQ(d.counts.values, whole.counts.values);
  EXPECT_SAYS(said, "2 values are within .001 of a whole number");
  f.data[5] = .0005;  // not nearly one, and zero is no stored count
  EXPECT_SAYS(complaint_about(f.write("not.h5ad")), "1 values are not whole numbers");
}

TEST(H5ad, CellsThatShareANameAreNumbered) {
  SmallFile f;
  f.cells[3] = f.cells[5] = f.cells[7] = "c1";
  f.cells[8] = "c1-1";
  DataOptions o;
  o.path = f.write("names.h5ad");
  std::string said;
  const Dataset d = read_dataset(o, [&](const std::string& line) { said += line + "\n"; });
  EXPECT_EQ(d.cell_names[1], "c1");
  EXPECT_EQ(d.cell_names[3], "c1-2") << "c1-1 is taken";
  EXPECT_EQ(d.cell_names[5], "c1-3");
  EXPECT_EQ(d.cell_names[7], "c1-4");
  EXPECT_EQ(d.cell_names[8], "c1-1");
  EXPECT_SAYS(said, "3 cell(s) have a name that an earlier one has");
}

TEST(H5ad, CellsWithoutAContextAreRefusedUnlessTheyAreAskedAbout) {
  H5adContents c;
  c.matrix = {4, 1, {0, 1, 2, 3, 4}, {0, 0, 0, 0}, {1, 2, 3, 4}};
  c.gene_names = {"g"}, c.cell_names = {"a", "b", "c", "d"};
  c.text_columns = {{"condition", {"ctrl", "ctrl", "A", "A"}}, {"cell_type", {"T", "B", "", "B"}}};
  write_h5ad(folder() + "/untyped.h5ad", c);
  EXPECT_SAYS(complaint_about(folder() + "/untyped.h5ad"), "obs/cell_type of cell c is missing");
  DataOptions none, given;
  none.cell_type_column = "none";
  EXPECT_EQ(complaint_about(folder() + "/untyped.h5ad", none), "");
  given.given_cells = true;
  EXPECT_EQ(complaint_about(folder() + "/untyped.h5ad", given), "");
}

TEST(H5ad, WhatIsWrittenIsReadBack) {
  H5adContents c;
  c.matrix.rows = 3, c.matrix.columns = 4;
  c.matrix.row_offsets = {0, 2, 3, 5};
  c.matrix.column_index = {0, 3, 1, 0, 2};
  c.matrix.values = {1, 2, 3, 4, 5};
  c.gene_names = {"a", "b", "c", "d"}, c.cell_names = {"x", "y", "z"};
  c.text_columns = {{"condition", {"ctrl", "P+Q", "P+Q"}}};
  c.number_columns = {{"library_size", {10.5, 20, 30}}};
  write_h5ad(folder() + "/out.h5ad", c);
  const H5adFile f(folder() + "/out.h5ad");
  const CsrMatrix m = f.read_rows(0, 3);
  EXPECT_EQ(m.values, c.matrix.values);
  EXPECT_EQ(m.column_index, c.matrix.column_index);
  EXPECT_EQ(f.description().gene_names, c.gene_names);
  EXPECT_EQ(f.text_column("condition"), (std::vector<std::string>{"ctrl", "P+Q", "P+Q"}));
  EXPECT_EQ(f.number_column("library_size"), (std::vector<double>{10.5, 20, 30}));
  const CsrMatrix last = f.read_rows(2, 1);
  EXPECT_EQ(last.values, (std::vector<float>{4, 5}));
}

TEST(H5ad, CellsOfNoKnownPerturbationAreNamed) {
  H5adContents c;
  c.matrix = {6, 1, {0, 1, 2, 3, 4, 5, 6}, {0, 0, 0, 0, 0, 0}, {1, 2, 3, 4, 5, 6}};
  c.gene_names = {"g"}, c.cell_names = {"a", "b", "c", "d", "e", "f"};
  c.text_columns = {{"condition", {"ctrl", "ctrl", "NONO", "NONO", "Unassigned", "Unassigned"}}};
  write_h5ad(folder() + "/unassigned.h5ad", c);
  DataOptions o;
  o.path = folder() + "/unassigned.h5ad";
  std::string said;
  const Dataset d = read_dataset(o, [&](const std::string& line) { said += line + "\n"; });
  EXPECT_EQ(d.labels, (std::vector<std::string>{"control", "NONO", "Unassigned"})) << "nothing is dropped";
  EXPECT_SAYS(said, "2 cell(s) of condition 'Unassigned'");
  EXPECT_EQ(said.find("'NONO'"), std::string::npos) << said;
}

TEST(BadFiles, AreRefusedInOneSentence) {
  EXPECT_SAYS(complaint_about(folder() + "/none.h5ad"), "no such file");
  write_text(folder() + "/text.h5ad", "<html>not found</html>");
  EXPECT_SAYS(complaint_about(folder() + "/text.h5ad"), "is not an HDF5 file");
  EXPECT_SAYS(complaint_about(folder()), "is a folder");
  const std::string good = read_text(SmallFile().write("good.h5ad"));
  for (const std::size_t keep : {good.size() / 8, good.size() / 2, good.size() - 1}) {
    write_file(folder() + "/cut.h5ad", good.data(), keep);
    EXPECT_NE(complaint_about(folder() + "/cut.h5ad"), "") << keep;
  }
  auto spoiled = [&](auto&& change) {
    SmallFile f;
    change(f);
    return complaint_about(f.write("bad.h5ad"));
  };
  DataOptions logarithms;
  logarithms.expression = "log1p";
  SmallFile large;
  large.data[3] = 21;
  logarithms.path = large.write("large.h5ad");
  std::string said;
  try {
    read_dataset(logarithms);
  } catch (const InputError& e) {
    said = e.what();
  }
  EXPECT_SAYS(said, "is 21, too large for log1p(counts per 10,000)");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.with_matrix = false; }), "X does not exist");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indices[3] = 5; }), "row 1 has column 5 of 5");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indices[3] = -1; }), "has column -1");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indices[1] = f.indices[0]; }), "row 0 has column 0 twice");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indices[2] = f.indices[0]; }), "row 0 has column 0 twice");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indptr[4] = 1; }), "indptr: falls");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indptr[0] = 1; }), "begins with 1");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indptr.back() += 3; }), "ends with");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indptr.pop_back(); }), "elements for 12 cells");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.data.pop_back(); }), "data has");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.data[2] = NAN; }), "cell c0, gene g5 is nan");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.data[2] = INFINITY; }), "is inf");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.data[2] = -1; }), "neither counts nor log values are negative");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.data[2] = 1.5; }), "1 values are not whole numbers");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.genes[1] = "g1"; }), "gene name 'g1' occurs twice");
  const auto by_columns = [&](auto&& change) {
    return spoiled([&](SmallFile& f) {
      f = f.columns();
      change(f);
    });
  };
  EXPECT_SAYS(by_columns([](SmallFile& f) { f.indices[3] = 12; }), "column 0 has row 12 of 12");
  EXPECT_SAYS(by_columns([](SmallFile& f) { f.indices[3] = -1; }), "column 0 has row -1");
  EXPECT_SAYS(by_columns([](SmallFile& f) { f.indices[1] = f.indices[0]; }), "row 0 has column 0 twice");
  EXPECT_SAYS(by_columns([](SmallFile& f) { f.indptr.pop_back(); }), "elements for 5 genes");
  EXPECT_SAYS(by_columns([](SmallFile& f) { f.indptr[3] = 1; }), "falls at column");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.matrix = "raw/X"; }), "raw/X by --layer raw");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.condition_name = "perturbation"; }), "no column 'condition'");
  EXPECT_SAYS(spoiled([](SmallFile& f) {
                for (auto& c : f.condition)
                  if (c == "control") c = "safe";
              }),
              "name them by --control");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.condition[11] = "C"; }), "condition 'C' has 1 cell");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.condition[11] = "A++B"; }), "a part between '+' is empty");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.condition[11] = "A+A"; }), "A is named twice");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.shape = {13, 5}; }), "elements for 13 cells");
  EXPECT_SAYS(
      spoiled([](SmallFile& f) {
        f.shape = {0, 5}, f.indptr = {0}, f.indices.clear(), f.data.clear(), f.cells.clear(), f.condition.clear();
      }),
      "zero cells");
  EXPECT_SAYS(spoiled([](SmallFile& f) {
                f.shape = {12, 0}, f.indptr.assign(13, 0), f.indices.clear(), f.data.clear(), f.genes.clear();
              }),
              "zero genes");
  EXPECT_SAYS(spoiled([](SmallFile& f) {
                f.data.erase(f.data.begin(), f.data.begin() + 3),
                    f.indices.erase(f.indices.begin(), f.indices.begin() + 3);
                for (std::size_t i = 1; i < f.indptr.size(); ++i) f.indptr[i] -= 3;
              }),
              "cell c0 has no counts");
  DataOptions counts;
  counts.expression = "counts";
  SmallFile fractional;
  fractional.data[2] = 1.5;
  EXPECT_SAYS(complaint_about(fractional.write("bad.h5ad"), counts), "--expression counts promises whole numbers");
  EXPECT_EQ(complaint_about(SmallFile().write("good.h5ad"), {}), "");
  DataOptions layer;
  layer.layer = "raw";
  EXPECT_SAYS(complaint_about(SmallFile().write("good.h5ad"), layer), "layers/raw does not exist");
}

TEST(BadFiles, ADamagedSignatureIsRefused) {
  std::string bad = read_text(SmallFile().write("good.h5ad"));
  bad[2] = static_cast<char>(bad[2] ^ 0x5a);
  write_text(folder() + "/damaged.h5ad", bad);
  EXPECT_SAYS(complaint_about(folder() + "/damaged.h5ad"), "is not an HDF5 file");
}

}  // namespace
}  // namespace perturbine

// Reading and writing AnnData files, and every way a file may be wrong: one clear sentence each.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "io/dataset.h"
#include "io/h5ad.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::folder;
using testing_files::SmallFile;

std::string complaint(const std::string& path, DataOptions o = {}) {
  o.path = path;
  try {
    read_dataset(o);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}
#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(H5ad, CsrDenseLayerAndLegacyGiveTheSameDataSet) {
  SmallFile f;
  DataOptions o;
  o.path = f.write("csr.h5ad");
  const Dataset csr = read_dataset(o);
  EXPECT_EQ(csr.labels, (std::vector<std::string>{"control", "A", "B"}));
  EXPECT_EQ(csr.cells(), 12u);
  EXPECT_EQ(csr.library_size_source, "row sums");
  for (int kind = 0; kind < 3; ++kind) {
    SmallFile other;
    DataOptions p;
    if (kind == 0) other.dense = true;
    if (kind == 1) other.matrix = "layers/counts", p.layer = "counts";
    if (kind == 2) other.legacy = true;
    p.path = other.write("other.h5ad");
    const Dataset d = read_dataset(p);
    EXPECT_EQ(d.counts.values, csr.counts.values);
    EXPECT_EQ(d.counts.column_index, csr.counts.column_index);
    EXPECT_EQ(d.condition, csr.condition);
  }
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
  EXPECT_SAYS(complaint(folder() + "/none.h5ad"), "no such file");
  write_text(folder() + "/text.h5ad", "<html>not found</html>");
  EXPECT_SAYS(complaint(folder() + "/text.h5ad"), "is not an HDF5 file");
  EXPECT_SAYS(complaint(folder()), "is a folder");
  const std::string good = read_text(SmallFile().write("good.h5ad"));
  for (const std::size_t keep : {good.size() / 8, good.size() / 2, good.size() - 1}) {
    write_file(folder() + "/cut.h5ad", good.data(), keep);
    EXPECT_NE(complaint(folder() + "/cut.h5ad"), "") << keep;
  }
  auto spoiled = [&](auto&& change) {
    SmallFile f;
    change(f);
    return complaint(f.write("bad.h5ad"));
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
  EXPECT_SAYS(spoiled([](SmallFile& f) { std::swap(f.indices[0], f.indices[1]); }), "are not sorted or repeat");
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.indices[1] = f.indices[0]; }), "are not sorted or repeat");
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
  EXPECT_SAYS(spoiled([](SmallFile& f) { f.cells[1] = "c0"; }), "cell name 'c0' occurs twice");
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
  EXPECT_SAYS(complaint(fractional.write("bad.h5ad"), counts), "--expression counts promises whole numbers");
  EXPECT_EQ(complaint(SmallFile().write("good.h5ad"), {}), "");
  DataOptions layer;
  layer.layer = "raw";
  EXPECT_SAYS(complaint(SmallFile().write("good.h5ad"), layer), "layers/raw does not exist");
}

TEST(BadFiles, ADamagedSignatureIsRefused) {
  std::string bad = read_text(SmallFile().write("good.h5ad"));
  bad[2] = static_cast<char>(bad[2] ^ 0x5a);
  write_text(folder() + "/damaged.h5ad", bad);
  EXPECT_SAYS(complaint(folder() + "/damaged.h5ad"), "is not an HDF5 file");
}

}  // namespace
}  // namespace perturbine

// prepare: what it keeps is what the files hold, what it leaves out it says, and test cells choose no gene.
#include "io/prepare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "io/gene_selection.h"
#include "io/split.h"
#include "kernels/core/error.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::folder;
using testing_files::SmallFile;

// Dense counts as the rows of a sparse matrix; zeros are left out, or stored.
CsrMatrix sparse(const std::vector<std::vector<float>>& rows, bool store_zeros = false) {
  CsrMatrix m;
  m.rows = rows.size(), m.columns = rows[0].size();
  for (const auto& row : rows) {
    for (std::size_t g = 0; g < row.size(); ++g)
      if (row[g] != 0 || store_zeros)
        m.column_index.push_back(static_cast<std::int32_t>(g)), m.values.push_back(row[g]);
    m.row_offsets.push_back(static_cast<std::int64_t>(m.values.size()));
  }
  return m;
}

// A file of random counts: cells named PREFIX0, PREFIX1, ...
H5adContents cells(const std::vector<std::string>& condition, const std::vector<std::string>& genes, unsigned seed,
                   const std::string& prefix = "c") {
  std::mt19937 random(seed);
  std::poisson_distribution<int> counts(2);
  std::vector<std::vector<float>> rows(condition.size(), std::vector<float>(genes.size()));
  H5adContents c;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (float& v : rows[i]) v = static_cast<float>(counts(random));
    rows[i][0] += 1;
    c.cell_names.push_back(prefix + std::to_string(i));
  }
  c.matrix = sparse(rows);
  c.gene_names = genes;
  c.text_columns = {{"condition", condition}};
  return c;
}
std::string write(const std::string& name, const H5adContents& c) {
  write_h5ad(folder() + "/" + name, c);
  return folder() + "/" + name;
}

float count(const CsrMatrix& m, std::size_t cell, std::size_t gene) {
  for (auto k = static_cast<std::size_t>(m.row_offsets[cell]); k < static_cast<std::size_t>(m.row_offsets[cell + 1]);
       ++k)
    if (m.column_index[k] == static_cast<std::int32_t>(gene)) return m.values[k];
  return 0;
}
const std::vector<std::string>& text_column(const H5adContents& c, const std::string& name) {
  for (const auto& [n, values] : c.text_columns)
    if (n == name) return values;
  static const std::vector<std::string> none;
  return none;
}

struct Result {
  H5adContents contents;
  std::string said;
};
Result prepared(const PrepareOptions& o) {
  Result r;
  r.contents = prepare(o, [&](const std::string& line) { r.said += line + "\n"; });
  return r;
}
std::string refusal(const PrepareOptions& o) {
  return testing_files::complaint([&] { prepare(o, {}); });
}

TEST(GeneSelection, VarianceIsThatOfTheFormula) {
  std::mt19937 random(3);
  std::vector<std::vector<float>> rows(83, std::vector<float>(17));
  std::vector<std::size_t> chosen;
  std::vector<std::int32_t> batch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t g = 0; g < 17; ++g)
      rows[i][g] = g == 5 ? 0 : static_cast<float>(std::poisson_distribution<int>(.2 * double(g + 1))(random));
    rows[i][3] = i == 40 ? 900.0f : 0.0f;  // is clipped
    if (i % 5 != 0) chosen.push_back(i);
    batch.push_back(i < 30 ? 7 : 2);
  }
  std::vector<double> expected(17, 0.0);
  for (const std::int32_t b : {7, 2}) {
    std::vector<std::size_t> members;
    for (const std::size_t i : chosen)
      if (batch[i] == b) members.push_back(i);
    const double cells = double(members.size()), most = std::sqrt(cells);
    double total = 0;
    std::vector<double> of_gene(17, 0.0), of_cell(rows.size(), 0.0);
    for (const std::size_t i : members)
      for (std::size_t g = 0; g < 17; ++g)
        of_gene[g] += double(rows[i][g]), of_cell[i] += double(rows[i][g]), total += double(rows[i][g]);
    for (std::size_t g = 0; g < 17; ++g) {
      std::vector<double> r;
      double mean = 0, squares = 0;
      for (const std::size_t i : members) {
        const double mu = of_gene[g] * of_cell[i] / total;
        r.push_back(mu == 0 ? 0 : std::clamp((double(rows[i][g]) - mu) / std::sqrt(mu + mu * mu / 100), -most, most));
        mean += r.back() / cells;
      }
      for (const double v : r) squares += (v - mean) * (v - mean);
      expected[g] += squares / double(chosen.size());
    }
  }
  for (const bool zeros : {false, true}) {
    const auto got = residual_variances(sparse(rows, zeros), chosen, batch);
    for (std::size_t g = 0; g < 17; ++g) EXPECT_NEAR(got[g], expected[g], 1e-9 * (1 + expected[g])) << g;
    EXPECT_EQ(got[5], 0);
  }
}

TEST(GeneSelection, NoiseIsOneAndWhatTellsCellsApartIsChosen) {
  std::mt19937 random(4);
  std::vector<std::vector<float>> rows(1500, std::vector<float>(30));
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t g = 0; g < 30; ++g) {
      const bool marker = g == 11 || g == 22;
      rows[i][g] = static_cast<float>(
          std::poisson_distribution<int>(marker ? (i % 2 == 0 ? .5 : 4) : 1 + .3 * double(g % 7))(random));
    }
  std::vector<std::size_t> all(rows.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto variance = residual_variances(sparse(rows), all, std::vector<std::int32_t>(rows.size(), 0));
  EXPECT_NEAR(variance[0], 1, .15);
  EXPECT_EQ(most_variable(variance, 2), (std::vector<std::size_t>{11, 22}));
  // A difference between batches alone selects nothing.
  std::vector<std::int32_t> batch;
  for (std::size_t i = 0; i < rows.size(); ++i) batch.push_back(static_cast<std::int32_t>(i % 2));
  EXPECT_LT(residual_variances(sparse(rows), all, batch)[11], 1.3);
}

TEST(Prepare, FilesAreJoinedByTheirCommonGenes) {
  const H5adContents a = cells({"control", "control", "A", "A+B", "A+B", "A"}, {"g1", "g2", "g3", "g4"}, 1);
  H5adContents b = cells({"ctrl", "ctrl", "B+A", "A+B", "C+ctrl", "C"}, {"g4", "g9", "g2", "g1"}, 2);
  PrepareOptions o;
  o.paths = {write("first.h5ad", a), write("second.h5ad", b)};
  const auto [r, said] = prepared(o);
  EXPECT_EQ(r.gene_names, (std::vector<std::string>{"g1", "g2", "g4"}));
  EXPECT_EQ(text_column(r, "condition"), (std::vector<std::string>{"control", "control", "A", "A+B", "A+B", "A",
                                                                   "control", "control", "A+B", "A+B", "C", "C"}));
  EXPECT_EQ(text_column(r, "batch")[0], "first");
  EXPECT_EQ(text_column(r, "batch")[11], "second");
  EXPECT_EQ(r.cell_names[0], "c0-first");
  EXPECT_EQ(r.cell_names[6], "c0-second");
  for (std::size_t i = 0; i < 6; ++i) {
    for (const auto& [to, from_a, from_b] : {std::tuple{0u, 0u, 3u}, std::tuple{1u, 1u, 2u}, std::tuple{2u, 3u, 0u}}) {
      EXPECT_EQ(count(r.matrix, i, to), count(a.matrix, i, from_a));
      EXPECT_EQ(count(r.matrix, 6 + i, to), count(b.matrix, i, from_b));
    }
    // Library sizes are those of all genes of a cell's own file.
    EXPECT_EQ(r.number_columns[0].second[i], a.matrix.row_sum(i));
    EXPECT_EQ(r.number_columns[0].second[6 + i], b.matrix.row_sum(i));
  }
  EXPECT_NE(said.find("left out: 1 of the files before, 1 of this one"), std::string::npos) << said;
  // What was written reads back and is the same when prepared again.
  DataOptions read;
  read.path = write("joined.h5ad", r);
  const Dataset d = read_dataset(read);
  EXPECT_EQ(d.labels, (std::vector<std::string>{"control", "A", "A+B", "C"}));
  EXPECT_EQ(d.library_size_source, "obs/library_size");
  PrepareOptions again;
  again.paths = {read.path};
  const H5adContents same = prepared(again).contents;
  EXPECT_EQ(same.matrix.values, r.matrix.values);
  EXPECT_EQ(same.matrix.column_index, r.matrix.column_index);
  EXPECT_EQ(same.number_columns, r.number_columns);
  EXPECT_EQ(same.cell_names, r.cell_names);
  // Files that cannot be joined.
  b.gene_names = {"h1", "h2", "h3", "h4"};
  o.paths[1] = write("third.h5ad", b);
  EXPECT_NE(refusal(o).find("no gene in common"), std::string::npos) << refusal(o);
  b.gene_names = {"g1", "g2", "g3", "g4"};
  b.text_columns.push_back({"cell_type", std::vector<std::string>(6, "T")});
  o.paths[1] = write("fourth.h5ad", b);
  EXPECT_NE(refusal(o).find("has a column for the cell-type"), std::string::npos) << refusal(o);
  o.paths[1] = o.paths[0];
  EXPECT_NE(refusal(o).find("another file is called 'first' too"), std::string::npos) << refusal(o);
}

TEST(Prepare, WhatIsLeftOutIsSaid) {
  const std::vector<std::string> genes{"MT-CO1", "g2", "g3"};
  H5adContents c = cells({"control", "control", "control", "A", "A", "A", "", "unassigned", "B"}, genes, 1);
  c.matrix =
      sparse({{0, 5, 5}, {0, 5, 5}, {0, 0, 0}, {0, 3, 3}, {8, 1, 1}, {0, 3, 3}, {0, 5, 5}, {0, 5, 5}, {0, 5, 5}}, true);
  PrepareOptions o;
  o.paths = {write("poor.h5ad", c)};
  o.leave_out = {"unassigned"};
  o.max_mitochondrial = .2;
  const auto [r, said] = prepared(o);
  EXPECT_EQ(r.cell_names, (std::vector<std::string>{"c0", "c1", "c3", "c5"}));
  for (const char* line :
       {"1 cell(s) named by --leave-out", "1 cell(s) without a condition", "1 cell(s) with too few counts",
        "1 cell(s) with too many mitochondrial", "1 cell(s) of 1 condition(s) with fewer than 2 (--min-cells): B"})
    EXPECT_NE(said.find(line), std::string::npos) << line << "\n" << said;
  EXPECT_EQ(r.matrix.non_zeros(), 8u) << "stored zeros are not kept";
  EXPECT_EQ(said.find("'unassigned'"), std::string::npos) << said;
  o.leave_out.clear();
  o.min_cells = 1;
  EXPECT_NE(prepared(o).said.find("1 cell(s) of condition 'unassigned'"), std::string::npos);
  o.leave_out = {"unassigned"};
  o.min_counts = 7;
  EXPECT_EQ(prepared(o).contents.cell_names, (std::vector<std::string>{"c0", "c1", "c8"}));
  o.min_counts = 0, o.min_genes = 3, o.max_mitochondrial = 1;
  EXPECT_NE(refusal(o).find("no control cells are left"), std::string::npos) << refusal(o);
  o.min_genes = 4;
  EXPECT_NE(refusal(o).find("no cell is left"), std::string::npos) << refusal(o);
  o.min_genes = 0, o.max_mitochondrial = 1.5;
  EXPECT_NE(refusal(o).find("--max-mitochondrial is 1.5"), std::string::npos);
  // With a library size a cell may be without counts in the genes at hand; an impossible one is left out.
  c.number_columns = {{"library_size", {10, 10, 10, 6, 10, -1, 10, 10, 10}}};
  o.max_mitochondrial = 1, o.min_cells = 2;
  o.paths = {write("sized.h5ad", c)};
  const Result sized = prepared(o);
  EXPECT_EQ(sized.contents.cell_names, (std::vector<std::string>{"c0", "c1", "c2", "c3", "c4"}));
  EXPECT_NE(sized.said.find("1 cell(s) without a library size"), std::string::npos) << sized.said;
  // A column of text called time is of no use unless it is named; other columns are named and left.
  c.text_columns.push_back({"time", std::vector<std::string>(9, "late")});
  c.text_columns.push_back({"guide", std::vector<std::string>(9, "g")});
  o.paths = {write("late.h5ad", c)};
  const Result late = prepared(o);
  EXPECT_EQ(late.contents.number_columns.size(), 1u);
  EXPECT_NE(late.said.find("not used"), std::string::npos) << late.said;
  EXPECT_NE(late.said.find("not carried over: guide"), std::string::npos) << late.said;
  o.columns.time_column = "time";
  EXPECT_NE(refusal(o).find("time"), std::string::npos) << refusal(o);
  o.columns.time_column.clear();
  // Labels that say what a cell is may not be missing.
  c.text_columns.push_back({"cell_type", {"T", "T", "T", "T", "T", "T", "T", "T", ""}});
  c.text_columns.push_back({"batch", {"1", "", "1", "1", "1", "1", "1", "1", "1"}});
  o.paths = {write("unlabelled.h5ad", c)};
  const Result unlabelled = prepared(o);
  EXPECT_NE(unlabelled.said.find("1 cell(s) without a cell type"), std::string::npos) << unlabelled.said;
  EXPECT_NE(unlabelled.said.find("1 cell(s) without a batch"), std::string::npos) << unlabelled.said;
  // By columns nothing can be left out before all is read.
  PrepareOptions by_columns;
  by_columns.paths = {SmallFile().columns().write("columns.h5ad")};
  const auto counts_by_columns = prepared(by_columns).contents.matrix.values;
  PrepareOptions by_rows;
  by_rows.paths = {SmallFile().write("rows.h5ad")};
  EXPECT_EQ(counts_by_columns, prepared(by_rows).contents.matrix.values);
  by_columns.columns.memory_megabytes = 0;
  EXPECT_NE(refusal(by_columns).find("stored by columns and needs 1 MiB"), std::string::npos) << refusal(by_columns);
  // Counts but for rounding, and no counts.
  c.matrix.values[1] = 5.0004f;
  o.paths = {write("rounded.h5ad", c)};
  const Result rounded = prepared(o);
  EXPECT_NE(rounded.said.find("1 values are within .001 of a whole number"), std::string::npos) << rounded.said;
  EXPECT_EQ(count(rounded.contents.matrix, 0, 1), 5);
  c.matrix.values[1] = 5.5f;
  o.paths = {write("fractions.h5ad", c)};
  EXPECT_NE(refusal(o).find("cell c0, gene g2 is 5.5 in X, no count"), std::string::npos) << refusal(o);
}

TEST(Prepare, DosesAndUnderscoresBecomeConditions) {
  H5adContents c = cells({"DMSO", "A", "A", "A", "B_A", "B_A", "B", "ctrl_B", "HLA_X", "HLA_X", "DMSO", "A+B", "B+A"},
                         {"g1", "g2"}, 1);
  PrepareOptions o;
  o.min_cells = 1;
  o.paths = {write("underscores.h5ad", c)};
  EXPECT_EQ(text_column(prepared(o).contents, "condition"),
            (std::vector<std::string>{"control", "A", "A", "A", "A+B", "A+B", "B", "B", "HLA_X", "HLA_X", "control",
                                      "A+B", "A+B"}));
  DataOptions read;
  read.path = o.paths[0];
  std::string said;
  const Dataset d = read_dataset(read, [&](const std::string& line) { said += line; });
  EXPECT_EQ(d.labels, (std::vector<std::string>{"control", "A", "A+B", "B", "HLA_X"}));
  EXPECT_NE(said.find("'B_A' is read as A+B"), std::string::npos) << said;
  // Known from elsewhere: parts that a file of combinations alone does not show, and names that stay whole.
  EXPECT_EQ(canonical_label(parse_labels({"B_A"}).at("B_A")), "B_A");
  EXPECT_EQ(canonical_label(parse_labels({"B_A"}, {}, nullptr, {"A", "B"}).at("B_A")), "A+B");
  EXPECT_EQ(canonical_label(parse_labels({"B_A"}, {}, nullptr, {"A", "B", "B_A"}).at("B_A")), "B_A");

  c.text_columns = {{"condition", {"DMSO", "A", "A", "A", "A+B", "B+A", "B", "B", "C", "C", "DMSO", "ctrl+A", "A"}},
                    {"dose", {"0", "10", "5", "2.5", "10+100", "50+10", "100", "50", "1", "1", "", "1.0+5", "10"}}};
  o.paths = {write("doses.h5ad", c)};
  o.dose_column = "dose";
  const Result dosed = prepared(o);
  EXPECT_EQ(text_column(dosed.contents, "condition"),
            (std::vector<std::string>{"control", "A", "A:0.5", "A:0.25", "A+B", "A+B:0.5", "B", "B:0.5", "C", "C",
                                      "control", "A:0.5", "A"}));
  EXPECT_NE(dosed.contents.notes[0].second.find(R"("dose_of_weight_1":{"A":10.0,"B":100.0,"C":1.0})"),
            std::string::npos)
      << dosed.contents.notes[0].second;
  c.text_columns[1].second[2] = "low";
  o.paths = {write("words.h5ad", c)};
  EXPECT_NE(refusal(o).find("cell c2: the dose 'low' is not a number"), std::string::npos) << refusal(o);
  c.text_columns[1].second[2] = "0";
  o.paths = {write("nothing.h5ad", c)};
  EXPECT_NE(refusal(o).find("the dose of A is 0"), std::string::npos) << refusal(o);
  c.text_columns[1].second[2] = "1+2+3";
  o.paths = {write("three.h5ad", c)};
  EXPECT_NE(refusal(o).find("has 1 part(s) but the dose '1+2+3' has 3"), std::string::npos) << refusal(o);
}

TEST(Prepare, TestCellsChooseNoGene) {
  std::vector<std::string> condition, genes;
  for (int i = 0; i < 90; ++i) condition.push_back(i < 30 ? "control" : i < 60 ? "A" : "B");
  for (int g = 0; g < 12; ++g) genes.push_back("g" + std::to_string(g));
  genes[9] = "B";
  H5adContents c = cells(condition, genes, 1);
  std::vector<std::vector<float>> rows(90, std::vector<float>(12, 0.0f));
  for (std::size_t i = 0; i < 90; ++i)
    for (std::size_t g = 0; g < 12; ++g) rows[i][g] = count(c.matrix, i, g);
  // Gene 2 varies in controls, gene 4 more in A, gene 6 most in B.
  for (std::size_t i = 0; i < 90; i += 3) {
    rows[i][2] += i < 30 ? 15.0f : 0.0f;
    rows[i][4] += i >= 30 && i < 60 ? 40.0f : 0.0f;
    rows[i][6] += i >= 60 ? 90.0f : 0.0f;
  }
  c.matrix = sparse(rows);
  PrepareOptions o;
  o.paths = {write("select.h5ad", c)};
  o.genes = 1;
  EXPECT_EQ(prepared(o).contents.gene_names, (std::vector<std::string>{"g2"}));
  o.split = folder() + "/hold_b.json";
  write_text(o.split, R"({"schema":"perturbine.split/1","name":"b","train":["A"],"test":["B"]})");
  EXPECT_EQ(prepared(o).contents.gene_names, (std::vector<std::string>{"g4"}));
  o.keep_targets = true;
  EXPECT_EQ(prepared(o).contents.gene_names, (std::vector<std::string>{"g4", "B"}));
  o.keep_targets = false;
  write_text(o.split, R"({"schema":"perturbine.split/1","name":"a","train":["B"],"test":["A"]})");
  EXPECT_EQ(prepared(o).contents.gene_names, (std::vector<std::string>{"g6"}));
  write_text(
      o.split,
      R"({"schema":"perturbine.split/1","folds":[{"name":"1","train":["B"],"test":["A"]},{"name":"2","train":["A"],"test":["B"]}]})");
  EXPECT_NE(refusal(o).find("has 2 folds"), std::string::npos) << refusal(o);
  o.genes = 0;
  EXPECT_NE(refusal(o).find("it goes with --genes"), std::string::npos) << refusal(o);
  o.split.clear();
  o.gene_list = folder() + "/genes.txt";
  write_text(o.gene_list, "# ours\ng7\n\n g1 \r\nunknown\n");
  const Result listed = prepared(o);
  EXPECT_EQ(listed.contents.gene_names, (std::vector<std::string>{"g1", "g7"}));
  EXPECT_NE(listed.said.find("2 of its 3 genes"), std::string::npos) << listed.said;
  write_text(o.gene_list, "unknown\n");
  EXPECT_NE(refusal(o).find("none of its 1 genes"), std::string::npos) << refusal(o);
  // A sample of cells: so many of each condition, the same ones for the same seed, others for another.
  o.gene_list.clear();
  o.cells_per_condition = 7;
  const auto drawn = prepared(o).contents.cell_names;
  EXPECT_EQ(drawn.size(), 21u);
  EXPECT_EQ(drawn, prepared(o).contents.cell_names);
  o.seed = 2;
  EXPECT_NE(drawn, prepared(o).contents.cell_names);
}

}  // namespace
}  // namespace perturbine

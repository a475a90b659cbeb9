// Split files: what is read is written as the same split, and applied to cells gives each a role.
#include "io/split.h"
#include "tests/fuzz/fuzzer.h"

using namespace perturbine;

namespace {

// Twelve cells of A, B, A+B and control, of two types in two batches.
Dataset some_cells() {
  Dataset d;
  d.path = "cells.h5ad";
  d.labels = {"control", "A", "A+B", "B"};
  for (const std::string& label : d.labels) d.conditions.push_back(parse_condition(label));
  d.cell_types = {"T", "U"}, d.batches = {"1", "2"}, d.contexts = d.cell_types;
  d.gene_names = {"g"};
  d.counts.columns = 1;
  for (int i = 0; i < 12; ++i) {
    d.cell_names.push_back("c" + std::to_string(i));
    d.condition.push_back(i % 4), d.cell_type.push_back(i / 4 % 2), d.batch.push_back(i / 6);
    d.counts.row_offsets.push_back(0);
    ++d.counts.rows;
  }
  d.context = d.cell_type;
  d.library_size.assign(12, 1);
  return d;
}

bool same(const SplitLists& a, const SplitLists& b) {
  return a.train == b.train && a.validation == b.validation && a.test == b.test && a.groups == b.groups &&
         a.rest == b.rest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Dataset cells = some_cells();
  std::vector<SplitLists> folds;
  if (!fuzzing::accepted(
          [&] { folds = read_split(fuzzing::file_with("split.json", reinterpret_cast<const char*>(data), size)); }))
    return 0;
  const std::string text = split_text("again", folds);
  const auto again = read_split(fuzzing::file_with("again.json", text.data(), text.size()));
  fuzzing::promise(again.size() == folds.size(), "a split is written with all its folds");
  for (std::size_t f = 0; f < folds.size(); ++f) {
    fuzzing::promise(same(again[f], folds[f]), "a split is read as it was written");
    fuzzing::accepted([&] {
      const Fold fold = apply_split(folds[f], cells);
      for (const Role role : fold.role) fuzzing::promise(role <= Role::ignore, "every cell has a role");
      for (const Fold::Entry& e : fold.test)
        for (const std::size_t i : e.cells) fuzzing::promise(fold.role[i] == Role::test, "a test entry's cells test");
    });
  }
  return 0;
}

// Splits: which conditions (or cells) train, validate and test; read, made, and checked against the data.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/dataset.h"

namespace perturbine {

/// One entry of a split list: cells that match every given field.
struct SplitEntry {
  std::string condition, cell_type, batch;  // empty: any
  std::vector<std::string> cells;           // names; empty: any
  std::string name() const {
    return condition + (cell_type.empty() ? "" : "|" + cell_type) + (batch.empty() ? "" : "|" + batch);
  }
  bool operator==(const SplitEntry&) const = default;
};

struct SplitLists {
  std::string name;
  std::vector<SplitEntry> train, validation, test;
  std::vector<std::pair<SplitEntry, std::string>> groups;  // of test entries
  std::string rest;                                        // "", "train" or "ignore"
};

enum class Role : std::uint8_t { train, validation, test, ignore };

/// One fold applied to a data set.
struct Fold {
  std::string name;
  std::vector<Role> role;  // of each cell
  struct Entry {
    std::string label, context, group;  // context empty: one context or all
    std::vector<std::size_t> cells;
  };
  std::vector<Entry> validation, test;
  std::vector<std::size_t> cells_with(Role r) const;
};

/// A split file's lists: one per fold. Throws InputError on anything the schema does not know.
std::vector<SplitLists> read_split(const std::string& path);
std::string split_text(const std::string& name, const std::vector<SplitLists>& folds);

/// Applies the lists: unknown conditions, a test condition that also trains and unlisted conditions without `rest` are
/// refused. Controls train unless listed.
Fold apply_split(const SplitLists& lists, const Dataset& data);

struct SplitOptions {
  std::string kind;  // random, cells, doubles, leave-one-out, k-fold, leave-covariate-out
  std::size_t folds = 5;
  double fraction = .25;
  std::string by = "cell_type";
  std::uint64_t seed = 1;
  std::string of = "all";  // leave-one-out, k-fold: all conditions, singles, doubles, or pairs (condition and context)
  // Test entries that are in no other group: those with fewer cells are the group few_cells, the others enough_cells;
  // 0: no such groups.
  std::size_t enough_cells = 0;
};
std::vector<SplitLists> make_split(const Dataset& data, const SplitOptions& options);

}  // namespace perturbine

#include "io/cell_table.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "io/columns.h"
#include "io/h5ad.h"
#include "kernels/core/joined.h"

namespace perturbine {
namespace {

using Say = std::function<void(const std::string&)>;

// The rows and columns named, both rising; `place` of a column that goes is -1.
CsrMatrix part_of(const CsrMatrix& m, const std::vector<std::size_t>& rows, const std::vector<std::int32_t>& place,
                  std::size_t columns) {
  CsrMatrix out;
  out.rows = rows.size(), out.columns = columns;
  std::vector<std::pair<std::int32_t, float>> row;
  for (const std::size_t i : rows) {
    row.clear();
    for (auto k = static_cast<std::size_t>(m.row_offsets[i]); k < static_cast<std::size_t>(m.row_offsets[i + 1]); ++k)
      if (const std::int32_t to = place[static_cast<std::size_t>(m.column_index[k])]; to >= 0 && m.values[k] != 0)
        row.emplace_back(to, m.values[k]);
    std::sort(row.begin(), row.end());
    for (const auto& [column, value] : row) out.column_index.push_back(column), out.values.push_back(value);
    out.row_offsets.push_back(static_cast<std::int64_t>(out.values.size()));
  }
  return out;
}
}  // namespace

void CellTable::keep_cells(const std::vector<std::size_t>& rows) {
  std::vector<std::int32_t> place(counts.columns);
  std::iota(place.begin(), place.end(), 0);
  counts = part_of(counts, rows, place, counts.columns);
  for (auto* column : {&names, &label, &dose, &cell_type, &batch}) keep(*column, rows);
  keep(time, rows), keep(library_size, rows);
}

void CellTable::keep_genes(const std::vector<std::size_t>& chosen) {
  std::vector<std::int32_t> place(counts.columns, -1);
  for (std::size_t g = 0; g < chosen.size(); ++g) place[chosen[g]] = static_cast<std::int32_t>(g);
  std::vector<std::size_t> rows(size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  counts = part_of(counts, rows, place, chosen.size());
  keep(genes, chosen);
}

CellTable read_cells(const PrepareOptions& o, const std::string& path, const Say& say) {
  const DataOptions& names = o.columns;
  const H5adFile file(path, names.layer);
  const H5adDescription& about = file.description();
  // A matrix in columns is turned into rows whole, whatever is left out after that.
  require_input(about.format != H5adDescription::Format::csc || file.memory() / 1048576 < names.memory_megabytes, path,
                ": is stored by columns and needs ", file.memory() / 1048576 + 1,
                " MiB of memory for its values; allow more by --memory");
  CellTable c;
  std::set<std::string> used{"simulated"};
  auto column = [&](const std::string& name, const char* option) {
    used.insert(name);
    file.require_column(name, option);
    return file.text_column(name);
  };
  auto named = [&](const std::string& given, const char* usual) {
    return !given.empty() ? (given == "none" ? "" : given) : file.has_column(usual) ? std::string(usual) : "";
  };
  c.genes = about.gene_names, c.names = about.cell_names;
  c.label = column(names.condition_column, "--condition-column");
  if (!o.dose_column.empty()) c.dose = column(o.dose_column, "--dose-column");
  if (const auto n = named(names.cell_type_column, "cell_type"); !n.empty())
    c.cell_type = column(n, "--cell-type-column");
  if (const auto n = named(names.batch_column, "batch"); !n.empty()) c.batch = column(n, "--batch-column");
  if (const auto n = named(names.time_column, "time"); !n.empty()) {
    column(n, "--time-column");
    try {
      c.time = file.number_column(n);
    } catch (const InputError& e) {  // text in a column nobody named is no fault of the file
      if (!names.time_column.empty()) throw;
      say(text("not used: ", e.what()));
    }
  }
  const std::string depth = named(names.library_size_column, "library_size");
  if (!depth.empty()) {
    column(depth, "--library-size-column");
    c.library_size = file.number_column(depth);
  }
  c.simulated = file.has_column("simulated");

  std::vector<char> mitochondrial(about.genes, 0);
  for (std::size_t g = 0; g < about.genes; ++g) {
    const std::string& n = c.genes[g];
    mitochondrial[g] = n.starts_with("MT-") || n.starts_with("mt-") || n.starts_with("Mt-");
  }
  std::map<std::string, std::size_t> left_out;
  std::vector<std::size_t> rows;
  std::vector<double> sums(about.cells, 0.0);
  std::size_t rounded = 0;
  const std::size_t block = std::max<std::size_t>(1, (std::size_t{1} << 22) / about.genes);
  c.counts.columns = about.genes;
  for (std::size_t first = 0; first < about.cells; first += block) {
    const CsrMatrix some = file.read_rows(first, std::min(block, about.cells - first));
    for (std::size_t r = 0; r < some.rows; ++r) {
      const std::size_t i = first + r;
      double sum = 0, in_mitochondria = 0;
      std::size_t seen = 0;
      const auto begin = static_cast<std::size_t>(some.row_offsets[r]),
                 end = static_cast<std::size_t>(some.row_offsets[r + 1]);
      for (std::size_t k = begin; k < end; ++k) {
        const auto g = static_cast<std::size_t>(some.column_index[k]);
        require_input(some.values[k] >= 0 && nearly_whole(some.values[k]), path, ": cell ", c.names[i], ", gene ",
                      c.genes[g], " is ", some.values[k], " in ", about.matrix,
                      ", no count; prepare needs counts, in X or in a layer named by --layer",
                      about.unread_raw ? " (raw/X by --layer raw)" : "");
        const double v = std::round(static_cast<double>(some.values[k]));
        rounded += v != static_cast<double>(some.values[k]) ? 1 : 0;
        sum += v, seen += v > 0;
        if (mitochondrial[g] != 0) in_mitochondria += v;
      }
      const bool named_out = std::find(o.leave_out.begin(), o.leave_out.end(), c.label[i]) != o.leave_out.end();
      const char* why = named_out                                        ? "named by --leave-out"
                        : c.label[i].empty()                             ? "without a condition"
                        : !c.cell_type.empty() && c.cell_type[i].empty() ? "without a cell type"
                        : !c.batch.empty() && c.batch[i].empty()         ? "without a batch"
                        : sum < static_cast<double>(o.min_counts) || (sum == 0 && depth.empty())
                            ? "with too few counts (--min-counts)"
                        : seen < o.min_genes ? "with too few genes (--min-genes)"
                        : in_mitochondria > o.max_mitochondrial * sum
                            ? "with too many mitochondrial counts (--max-mitochondrial)"
                        : !c.library_size.empty() && !(std::isfinite(c.library_size[i]) && c.library_size[i] > 0)
                            ? "without a library size"
                        : !c.time.empty() && !std::isfinite(c.time[i]) ? "without a time"
                                                                       : nullptr;
      if (why != nullptr) {
        ++left_out[why];
        continue;
      }
      sums[i] = sum;
      rows.push_back(i);
      for (std::size_t k = begin; k < end; ++k)
        if (some.values[k] != 0)
          c.counts.column_index.push_back(some.column_index[k]), c.counts.values.push_back(std::round(some.values[k]));
      c.counts.row_offsets.push_back(static_cast<std::int64_t>(c.counts.values.size()));
      ++c.counts.rows;
      require_input(c.counts.values.size() / 131072 < o.columns.memory_megabytes, path, ": its values need over ",
                    o.columns.memory_megabytes, " MiB of memory; allow more by --memory");
    }
  }
  if (c.library_size.empty()) c.library_size = sums;
  for (auto* values : {&c.names, &c.label, &c.dose, &c.cell_type, &c.batch}) keep(*values, rows);
  keep(c.time, rows), keep(c.library_size, rows);
  say(text(path, ": ", about.cells, " cells, ", about.genes,
           " genes; library size: ", depth.empty() ? "row sums" : "obs/" + depth));
  if (about.renamed_cells > 0) say("  " + note_on_repeated_cells(about));
  if (rounded > 0) say(text("  ", rounded, " values are within .001 of a whole number and rounded to it"));
  std::vector<std::string> unused;
  for (const std::string& n : about.obs_columns)
    if (used.count(n) == 0) unused.push_back(n);
  if (!unused.empty()) say("  columns of obs that are not carried over: " + joined(unused));
  for (const auto& [why, n] : left_out) say(text("  left out: ", n, " cell(s) ", why));
  require_input(!rows.empty(), path, ": no cell is left");
  return c;
}

void merge(CellTable& all, CellTable more, const std::string& path, const Say& say) {
  std::map<std::string, std::size_t> have;
  for (std::size_t g = 0; g < more.genes.size(); ++g) have.emplace(more.genes[g], g);
  std::vector<std::size_t> shared;
  std::vector<std::int32_t> place(more.genes.size(), -1);
  for (std::size_t g = 0; g < all.genes.size(); ++g)
    if (const auto found = have.find(all.genes[g]); found != have.end()) {
      place[found->second] = static_cast<std::int32_t>(shared.size());
      shared.push_back(g);
    }
  require_input(!shared.empty(), path,
                ": has no gene in common with the files before it (genes are matched by the names in var)");
  if (shared.size() < all.genes.size() || shared.size() < more.genes.size())
    say(text("  genes: ", shared.size(), " in common; left out: ", all.genes.size() - shared.size(),
             " of the files before, ", more.genes.size() - shared.size(), " of this one"));
  if (shared.size() < all.genes.size()) all.keep_genes(shared);
  std::vector<std::size_t> rows(more.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  append(all.counts, part_of(more.counts, rows, place, shared.size()));
  auto join = [&]<class T>(std::vector<T>& to, std::vector<T>& from, const char* what) {
    require_input(to.empty() == from.empty(), path, ": ", from.empty() ? "lacks" : "has", " a column for the ", what,
                  ", unlike the files before it; name one that all have, or say none (--", what, "-column)");
    std::move(from.begin(), from.end(), std::back_inserter(to));
  };
  join(all.cell_type, more.cell_type, "cell-type"), join(all.time, more.time, "time"),
      join(all.dose, more.dose, "dose");
  for (auto member : {&CellTable::names, &CellTable::label, &CellTable::batch})
    std::move((more.*member).begin(), (more.*member).end(), std::back_inserter(all.*member));
  std::move(more.library_size.begin(), more.library_size.end(), std::back_inserter(all.library_size));
  all.simulated = all.simulated || more.simulated;
}

}  // namespace perturbine

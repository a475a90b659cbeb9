#include "io/prepare.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "io/cell_table.h"
#include "io/columns.h"
#include "io/file.h"
#include "io/gene_selection.h"
#include "io/split.h"
#include "kernels/core/joined.h"
#include "kernels/core/philox.h"

namespace perturbine {
namespace {

using Say = std::function<void(const std::string&)>;

double number(const std::string& digits, const std::string& where) {
  double v = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
  require_input(code == std::errc{} && end == digits.data() + digits.size() && std::isfinite(v) && v >= 0, where,
                ": the dose '", digits, "' is not a number, or one for each part joined by +");
  return v;
}

// Every cell's condition; with a dose column each part's weight is its dose over the largest of that perturbation.
std::vector<Condition> conditions_of(const CellTable& c, const PrepareOptions& o, nlohmann::ordered_json& note,
                                     const Say& say) {
  std::vector<std::string> divided;
  const auto known = parse_labels(c.label, o.columns.control, &divided);
  for (const std::string& label : divided) say("'" + label + "' is read as " + canonical_label(known.at(label)));
  for (const auto& [label, condition] : known)
    if (condition.is_control()) say("control cells: those labelled '" + label + "'");
  std::vector<Condition> out;
  for (const std::string& label : c.label) out.push_back(known.at(label));
  if (c.dose.empty()) return out;
  std::map<std::string, double> largest;
  for (int pass = 0; pass < 2; ++pass)  // the largest doses, then the weights
    for (std::size_t i = 0; i < c.size(); ++i) {
      Condition& condition = out[i];
      if (condition.is_control()) continue;
      // Doses stand in the order of the label's parts, controls among them.
      std::vector<std::string> doses, parts;
      for (auto [from, to] : {std::pair{&c.dose[i], &doses}, std::pair{&c.label[i], &parts}})
        for (std::size_t begin = 0; begin <= from->size();) {
          const std::size_t end = std::min(from->find('+', begin), from->size());
          to->push_back(from->substr(begin, end - begin));
          begin = end + 1;
        }
      require_input(doses.size() == 1 || doses.size() == parts.size(), "cell ", c.names[i], ": condition '", c.label[i],
                    "' has ", parts.size(), " part(s) but the dose '", c.dose[i], "' has ", doses.size());
      for (Condition::Part& p : condition.parts) {
        std::size_t at = 0;
        if (doses.size() > 1)
          while (at + 1 < parts.size() && parts[at].find(p.name) == std::string::npos) ++at;
        const double dose = number(doses[at], "cell " + c.names[i]);
        require_input(dose > 0, "cell ", c.names[i], ": the dose of ", p.name,
                      " is 0; label such cells control, or --leave-out their label");
        double& most = largest[p.name];
        if (pass == 0)
          most = std::max(most, dose);
        else
          p.weight = dose / most;
      }
    }
  note["dose_of_weight_1"] = nlohmann::ordered_json::object();
  for (const auto& [name, dose] : largest) note["dose_of_weight_1"][name] = dose;
  say(text("doses: those of obs/", o.dose_column,
           " over the largest of the perturbation (A:0.5 is half of A's largest)"));
  return out;
}

// What a split is applied to.
Dataset labelled(const CellTable& c, const std::vector<std::string>& label, const std::vector<Condition>& condition) {
  Dataset d;
  d.path = "the prepared cells";
  d.counts.rows = c.size();
  d.cell_names = c.names;
  std::map<std::string, Condition> known;
  for (std::size_t i = 0; i < c.size(); ++i)
    if (!condition[i].is_control()) known.emplace(label[i], condition[i]);
  d.labels = {std::string(control_label)}, d.conditions.emplace_back();
  for (const auto& [name, what] : known) d.labels.push_back(name), d.conditions.push_back(what);
  for (const std::string& l : label)
    d.condition.push_back(
        l == control_label ? 0 : static_cast<std::int32_t>(1 + std::distance(known.begin(), known.find(l))));
  const std::vector<std::string> none(c.size());  // one empty name where there is no such column
  d.cell_type = numbered(c.cell_type.empty() ? none : c.cell_type, d.cell_types);
  d.batch = numbered(c.batch.empty() ? none : c.batch, d.batches);
  d.contexts = d.cell_types, d.context = d.cell_type;
  return d;
}

// The cells whose counts select genes.
std::vector<std::size_t> selecting_cells(const PrepareOptions& o, const Dataset& d, const Say& say) {
  if (o.split.empty()) {
    say("genes are selected on control cells (with --split on its training cells)");
    return d.cells_of(0);
  }
  const auto folds = read_split(o.split);
  require_input(
      folds.size() == 1, o.split, ": has ", folds.size(),
      " folds, and every cell may be tested in one of them; leave --split out, and control cells select genes");
  const Fold fold = apply_split(folds[0], d);
  auto cells = fold.cells_with(Role::train);
  say(text("genes are selected on the ", cells.size(), " training cells of ", o.split));
  return cells;
}

std::vector<std::size_t> selected_genes(const PrepareOptions& o, const CellTable& c, const Dataset& d, const Say& say) {
  const std::size_t all = c.genes.size();
  std::vector<char> stays(all, 1);
  if (!o.gene_list.empty()) {
    const auto names = read_gene_list(o.gene_list);
    const std::set<std::string> wanted(names.begin(), names.end());
    std::size_t found = 0;
    for (std::size_t g = 0; g < all; ++g) found += static_cast<std::size_t>(stays[g] = wanted.count(c.genes[g]) != 0);
    require_input(found > 0, o.gene_list, ": none of its ", wanted.size(), " genes is in the data, whose first is '",
                  c.genes[0], "'");
    say(text(o.gene_list, ": ", found, " of its ", wanted.size(), " genes are in the data"));
  }
  if (o.genes != 0 || o.min_gene_cells != 0) {
    const auto cells = selecting_cells(o, d, say);
    std::vector<std::size_t> with(all, 0);
    for (const std::size_t i : cells)
      for (auto k = static_cast<std::size_t>(c.counts.row_offsets[i]);
           k < static_cast<std::size_t>(c.counts.row_offsets[i + 1]); ++k)
        ++with[static_cast<std::size_t>(c.counts.column_index[k])];
    std::size_t rare = 0;
    for (std::size_t g = 0; g < all; ++g)
      if (stays[g] != 0 && with[g] < o.min_gene_cells) stays[g] = 0, ++rare;
    if (rare != 0) say(text("left out: ", rare, " gene(s) seen in too few of these cells (--min-gene-cells)"));
    if (o.genes != 0) {
      auto variance = residual_variances(c.counts, cells, d.batch);
      for (std::size_t g = 0; g < all; ++g)
        if (stays[g] == 0) variance[g] = -1;
      const auto best = most_variable(variance, o.genes);
      std::vector<char> chosen(all, 0);
      for (const std::size_t g : best) chosen[g] = variance[g] >= 0;
      stays = chosen;
    }
  }
  std::set<std::string> targets;
  for (const Condition& condition : d.conditions)
    for (const auto& p : condition.parts) targets.insert(p.name);
  std::vector<std::size_t> out;
  std::size_t kept = 0;
  for (std::size_t g = 0; g < all; ++g) {
    const bool target = o.keep_targets && stays[g] == 0 && targets.count(c.genes[g]) != 0;
    kept += target;
    if (target || stays[g] != 0) out.push_back(g);
  }
  if (kept != 0) say(text("kept besides: ", kept, " gene(s) that perturbations are named after"));
  require_input(!out.empty(), "no gene is left");
  return out;
}

// Cells of every condition that has enough; and of these at most so many, drawn by the seed.
void keep_conditions(CellTable& c, std::vector<std::string>& label, std::vector<Condition>& condition,
                     const PrepareOptions& o, const Say& say) {
  std::map<std::string, std::size_t> cells;
  for (const std::string& l : label) ++cells[l];
  std::size_t of_few = 0;
  std::vector<std::string> few;
  for (const auto& [name, n] : cells)
    if (n < o.min_cells) few.push_back(name), of_few += n;
  if (!few.empty())
    say(text("left out: ", of_few, " cell(s) of ", few.size(), " condition(s) with fewer than ", o.min_cells,
             " (--min-cells): ", joined(few, 3)));
  for (const auto& [name, n] : cells)
    if (n >= o.min_cells && names_no_perturbation(name)) say(note_on_no_perturbation(name, n));
  std::vector<std::size_t> rows;
  std::map<std::pair<std::string, std::string>, std::vector<std::pair<std::uint32_t, std::size_t>>> drawn;
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (cells[label[i]] < o.min_cells) continue;
    rows.push_back(i);
    if (o.cells_per_condition != 0)
      drawn[{label[i], c.cell_type.empty() ? "" : c.cell_type[i]}].emplace_back(philox(o.seed, i, 0).word[0], i);
  }
  if (o.cells_per_condition != 0) {
    const std::size_t before = rows.size();
    rows.clear();
    for (auto& [name, members] : drawn) {
      std::sort(members.begin(), members.end());
      for (std::size_t k = 0; k < std::min(o.cells_per_condition, members.size()); ++k)
        rows.push_back(members[k].second);
    }
    std::sort(rows.begin(), rows.end());
    if (rows.size() < before)
      say(text("left out: ", before - rows.size(), " cell(s) beyond --cells-per-condition ", o.cells_per_condition));
  }
  if (rows.size() == c.size()) return;
  c.keep_cells(rows);
  keep(label, rows), keep(condition, rows);
}

}  // namespace

H5adContents prepare(const PrepareOptions& o, const Say& say_to) {
  const Say say = [&](const std::string& line) {
    if (say_to) say_to(line);
  };
  require_input(o.max_mitochondrial >= 0 && o.max_mitochondrial <= 1, "--max-mitochondrial is ", o.max_mitochondrial,
                " but must lie between 0 and 1");
  require_input(o.columns.expression.empty() || o.columns.expression == "counts",
                "prepare works on counts: --expression ", o.columns.expression, " is not for it");
  require_input(o.split.empty() || o.genes != 0 || o.min_gene_cells != 0,
                "--split says which cells select genes: it goes with --genes or --min-gene-cells");
  nlohmann::ordered_json note{{"schema", "perturbine.prepared/1"}, {"sources", nlohmann::ordered_json::array()}};
  CellTable c;
  std::set<std::string> stems, names;
  bool repeated = false;
  for (std::size_t f = 0; f < o.paths.size(); ++f) {
    const std::string& path = o.paths[f];
    const std::string name = std::filesystem::path(path).stem().string();
    require_input(stems.insert(name).second, path, ": another file is called '", name,
                  "' too; the names tell their cells apart (as batches), rename one");
    CellTable cells = read_cells(o, path, say);
    note["sources"].push_back({{"file", std::filesystem::path(path).filename().string()},
                               {"sha256", sha256_of_file(path)},
                               {"cells", cells.size()},
                               {"genes", cells.genes.size()}});
    for (const std::string& n : cells.names) repeated = !names.insert(n).second || repeated;
    if (o.paths.size() > 1) {
      if (cells.batch.empty())
        cells.batch.assign(cells.size(), name);
      else
        for (std::string& b : cells.batch) b = name + "|" + b;
    }
    if (f == 0)
      c = std::move(cells);
    else
      merge(c, std::move(cells), path, say);
  }
  if (repeated) {
    // `batch` begins with the file's name; cells of one file are told apart already.
    for (std::size_t i = 0; i < c.size(); ++i) c.names[i] += "-" + c.batch[i].substr(0, c.batch[i].find('|'));
    say("names of cells occur in several files: each is followed by its file's name");
  }

  std::vector<Condition> condition = conditions_of(c, o, note, say);
  std::vector<std::string> label;
  for (const Condition& one : condition) label.push_back(canonical_label(one));
  keep_conditions(c, label, condition, o, say);
  require_input(
      std::find(label.begin(), label.end(), control_label) != label.end(),
      "no control cells are left (control, ctrl, non-targeting, NT, DMSO, vehicle); name them by --control LABEL");
  const auto genes = selected_genes(o, c, labelled(c, label, condition), say);
  if (genes.size() < c.genes.size()) {
    say(text("genes: ", genes.size(), " of ", c.genes.size()));
    c.keep_genes(genes);
  }

  H5adContents out;
  say(text("prepared: ", c.size(), " cells, ", c.genes.size(), " genes, ",
           std::set<std::string>(label.begin(), label.end()).size(), " conditions"));
  out.matrix = std::move(c.counts);
  out.gene_names = c.genes, out.cell_names = c.names;
  out.text_columns = {{"condition", label}};
  if (!c.cell_type.empty()) out.text_columns.emplace_back("cell_type", c.cell_type);
  if (!c.batch.empty()) out.text_columns.emplace_back("batch", c.batch);
  if (c.simulated) out.text_columns.emplace_back("simulated", std::vector<std::string>(c.size(), "true"));
  out.number_columns = {{"library_size", c.library_size}};
  if (!c.time.empty()) out.number_columns.emplace_back("time", c.time);
  out.notes = {{"prepared", note.dump()}};
  return out;
}

}  // namespace perturbine

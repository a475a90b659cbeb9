#include "io/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "io/columns.h"
#include "io/file.h"
#include "io/h5ad.h"
#include "kernels/core/joined.h"

namespace perturbine {
namespace {

// Counts, or log1p values turned back into counts per 10,000: stated or proven, never guessed.
void settle_expression(Dataset& d, const DataOptions& o, bool unread_raw,
                       const std::function<void(const std::string&)>& say) {
  std::size_t fractional = 0, rounded = 0;
  const char* option = o.generated ? "--predicted-expression" : "--expression";
  for (std::size_t i = 0; i < d.cells(); ++i)
    for (auto k = static_cast<std::size_t>(d.counts.row_offsets[i]);
         k < static_cast<std::size_t>(d.counts.row_offsets[i + 1]); ++k) {
      const float v = d.counts.values[k];
      const auto gene = static_cast<std::size_t>(d.counts.column_index[k]);
      require_input(v >= 0, d.path, ": cell ", d.cell_names[i], ", gene ", d.gene_names[gene], " is ", v,
                    "; neither counts nor log values are negative");
      // log1p of 10,000 is 9.2, of a million 13.8.
      require_input(v <= 20 || o.expression != "log1p", d.path, ": cell ", d.cell_names[i], ", gene ",
                    d.gene_names[gene], " is ", v,
                    ", too large for log1p(counts per 10,000); are these values before the logarithm?");
      if (v != std::floor(v)) {
        if (nearly_whole(v)) {
          ++rounded;
          continue;
        }
        if (o.expression == "counts")
          throw InputError(text(d.path, ": cell ", d.cell_names[i], ", gene ", d.gene_names[gene], " is ", v, ", but ",
                                option, " counts promises whole numbers"));
        ++fractional;
      }
    }
  if (o.expression == "log1p") {
    d.counts_known = false;
    for (float& v : d.counts.values) v = std::expm1(v);
    d.library_size.assign(d.cells(), 10000.0);
    d.library_size_source = "log1p values taken as counts per 10,000";
    return;
  }
  require_input(o.expression.empty() || o.expression == "counts", option, " is '", o.expression,
                "' but must be counts or log1p");
  require_input(fractional == 0, d.path, ": ", fractional, " values are not whole numbers; say ", option,
                " log1p if they are log1p(counts per 10,000)",
                o.generated ? "" : ", or name a layer with counts by --layer",
                unread_raw && !o.generated ? " (raw/X by --layer raw)" : "");
  if (rounded > 0) {
    for (float& v : d.counts.values) v = std::round(v);
    say(text(rounded, " values are within .001 of a whole number and rounded to it"));
  }
  if (o.expression.empty()) say("all values are whole numbers: read as counts");
}

// The times of a time course, by label; empty where conditions and times do not stand for one another.
std::vector<double> times_of_labels(const Dataset& d, const std::vector<double>& time, const std::string& column,
                                    const std::function<void(const std::string&)>& say) {
  std::vector<std::set<double>> seen(d.labels.size());
  std::set<double> all;
  for (std::size_t i = 0; i < d.cells(); ++i) {
    require_input(std::isfinite(time[i]), d.path, ": obs/", column, " of cell ", d.cell_names[i], " is ", time[i],
                  "; leave the cell out, or say --time-column none");
    seen[static_cast<std::size_t>(d.condition[i])].insert(time[i]);
    all.insert(time[i]);
  }
  if (all.size() < 2) return {};
  std::vector<double> times;
  for (const auto& s : seen) {
    if (s.size() != 1) break;
    times.push_back(*s.begin());
  }
  if (times.size() < d.labels.size() || all.size() < times.size()) {
    say("obs/" + column + " is not used: conditions and times do not stand for one another one to one");
    return {};
  }
  say("a time course (obs/" + column + "): " + joined(all));
  return times;
}

}  // namespace

Dataset read_dataset(const DataOptions& o, const std::function<void(const std::string&)>& say_to) {
  auto say = [&](const std::string& line) {
    if (say_to) say_to(line);
  };
  const H5adFile file(o.path, o.layer);
  const H5adDescription& about = file.description();
  const std::size_t megabytes = file.memory() / 1048576 + 1;
  require_input(megabytes <= o.memory_megabytes, o.path, ": needs ", megabytes,
                " MiB of memory for its values; allow it by --memory ", megabytes);
  auto column = [&](const std::string& name, const char* option) {
    file.require_column(name, option);
    return file.text_column(name);
  };

  Dataset d;
  d.path = o.path;
  d.sha256 = sha256_of_file(o.path);
  d.gene_names = about.gene_names;
  d.cell_names = about.cell_names;
  if (about.renamed_cells > 0) say(note_on_repeated_cells(about));
  const bool all_control =
      o.given_cells && o.condition_column == DataOptions().condition_column && !file.has_column(o.condition_column);
  const std::vector<std::string> raw =
      all_control ? std::vector<std::string>(about.cells, std::string(control_label))
                  : column(o.condition_column, o.generated ? "--predicted-condition-column" : "--condition-column");
  d.counts.columns = about.genes;
  const std::size_t block = std::max<std::size_t>(1, (std::size_t{1} << 22) / about.genes);
  for (std::size_t i = 0; i < about.cells; i += block)
    append(d.counts, file.read_rows(i, std::min(block, about.cells - i)));

  // Conditions.
  std::map<std::string, Condition> known;
  std::map<std::string, std::string> canonical;
  std::vector<std::string> divided;
  std::map<std::string, Condition> conditions;
  try {
    conditions = parse_labels(raw, o.control, &divided, o.known_perturbations);
  } catch (const InputError& e) {
    throw InputError(text(o.path, ": obs/", all_control ? "" : o.condition_column, ": ", e.what()));
  }
  if (!divided.empty())
    say(text("'", divided[0], "' is read as ", canonical_label(conditions.at(divided[0])), " (", divided.size(),
             " such label(s): their parts stand alone elsewhere)"));
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (canonical.count(raw[i]) != 0) continue;
    const auto found = conditions.find(raw[i]);
    require_input(found != conditions.end(), o.path, ": obs/", o.condition_column, " of cell ", d.cell_names[i],
                  " is missing; leave such cells out of the file (perturbine prepare does)");
    const Condition& c = found->second;
    canonical[raw[i]] = canonical_label(c);
    known[canonical_label(c)] = c;
    if (c.is_control() && all_control) say("obs has no column '" + o.condition_column + "': all cells are controls");
    if (c.is_control() && !all_control)
      say("control cells: those with obs/" + o.condition_column + " = '" + raw[i] + "'");
  }
  const bool has_control = known.erase(std::string(control_label)) != 0;
  if (!has_control && !o.generated && !o.given_cells) {
    std::vector<std::string> labels;
    for (const auto& [label, c] : known) labels.push_back(label);
    throw InputError(text(o.path, ": obs/", o.condition_column,
                          " has no control cells (control, ctrl, non-targeting, NT, DMSO, vehicle); name them by "
                          "--control LABEL; labels are for example ",
                          joined(labels, 5)));
  }
  d.labels.push_back(std::string(control_label));
  d.conditions.emplace_back();
  std::map<std::string, std::int32_t> label_number{{std::string(control_label), 0}};
  for (const auto& [label, c] : known) {
    label_number[label] = static_cast<std::int32_t>(d.labels.size());
    d.labels.push_back(label);
    d.conditions.push_back(c);
  }
  std::vector<std::size_t> cells_per_label(d.labels.size());
  for (const std::string& r : raw) {
    d.condition.push_back(label_number[canonical[r]]);
    ++cells_per_label[static_cast<std::size_t>(d.condition.back())];
  }
  for (std::size_t l = 0; l < d.labels.size(); ++l)
    if (names_no_perturbation(d.labels[l])) say(note_on_no_perturbation(d.labels[l], cells_per_label[l]));
  for (std::size_t l = 0; l < d.labels.size(); ++l)
    require_input(cells_per_label[l] >= 2 || o.given_cells || (l == 0 && !has_control), o.path, ": condition '",
                  d.labels[l], "' has ", cells_per_label[l],
                  " cell; at least 2 are needed (perturbine prepare leaves such conditions out)");

  // Contexts and batches: named, or found under their usual names.
  auto optional = [&](const std::string& named, const char* usual, const char* option,
                      std::vector<std::string>& names) {
    const std::string use = !named.empty() ? named : (file.has_column(usual) ? usual : "");
    if (use.empty() || use == "none") {
      names = {""};
      return std::vector<std::int32_t>(d.cells(), 0);
    }
    const auto values = column(use, option);
    // Of cells that a run is asked about the label may be what is wanted.
    for (std::size_t i = 0; i < values.size() && !o.given_cells; ++i)
      require_input(!values[i].empty(), o.path, ": obs/", use, " of cell ", d.cell_names[i],
                    " is missing; leave such cells out of the file (perturbine prepare does), or say ", option,
                    " none");
    return numbered(values, names);
  };
  d.cell_type = optional(o.cell_type_column, "cell_type",
                         o.generated ? "--predicted-cell-type-column" : "--cell-type-column", d.cell_types);
  d.batch = optional(o.batch_column, "batch", "--batch-column", d.batches);
  require_input(o.batch == "ignore" || o.batch == "covariate", "--batch is '", o.batch,
                "' but must be ignore or covariate");
  if (o.batch == "covariate") {
    require_input(d.batches.size() > 1, o.path,
                  ": --batch covariate needs a column with more than one batch; name it "
                  "by --batch-column");
    std::vector<std::string> name;
    for (std::size_t i = 0; i < d.cells(); ++i) {
      const std::string& batch = d.batches[static_cast<std::size_t>(d.batch[i])];
      name.push_back(d.cell_types.size() == 1 ? batch
                                              : d.cell_types[static_cast<std::size_t>(d.cell_type[i])] + "|" + batch);
    }
    d.context = numbered(name, d.contexts);
  } else {
    d.contexts = d.cell_types, d.context = d.cell_type;
  }

  const std::string time = !o.time_column.empty() ? o.time_column : (file.has_column("time") ? "time" : "none");
  if (time != "none" && !o.given_cells && !o.generated) {
    column(time, "--time-column");
    std::vector<double> values;
    try {
      values = file.number_column(time);
    } catch (const InputError& e) {  // text in a column nobody named is no fault of the file
      if (!o.time_column.empty()) throw;
      say(text("not used: ", e.what()));
    }
    if (!values.empty()) d.times = times_of_labels(d, values, time, say);
  }
  settle_expression(d, o, about.unread_raw, say);
  if (d.library_size.empty()) {
    const std::string use = !o.library_size_column.empty() ? o.library_size_column
                                                           : (file.has_column("library_size") ? "library_size" : "");
    if (use.empty()) {
      for (std::size_t i = 0; i < d.cells(); ++i) d.library_size.push_back(d.counts.row_sum(i));
      d.library_size_source = "row sums";
    } else {
      column(use, "--library-size-column");
      d.library_size = file.number_column(use);
      d.library_size_source = "obs/" + use;
    }
  }
  for (std::size_t i = 0; i < d.cells(); ++i) {
    // A cell of a known library size may have no counts in the genes at hand.
    require_input(d.counts.row_offsets[i + 1] > d.counts.row_offsets[i] || d.library_size_source != "row sums", o.path,
                  ": cell ", d.cell_names[i],
                  " has no counts; leave such cells out of the file (perturbine prepare does)");
    require_input(std::isfinite(d.library_size[i]) && d.library_size[i] > 0, o.path, ": the library size of cell ",
                  d.cell_names[i], " is ", d.library_size[i], " (", d.library_size_source, ")");
  }
  say("library size: " + d.library_size_source);
  d.simulated = file.has_column("simulated");
  if (d.simulated) say("these data are simulated");
  return d;
}

std::size_t Dataset::condition_index(const std::string& label) const {
  const auto found = std::find(labels.begin(), labels.end(), canonical_label(parse_condition(label)));
  if (found != labels.end()) return static_cast<std::size_t>(found - labels.begin());
  throw InputError(text("condition '", label, "' is not in ", path, note_on_spelling(label, labels)));
}

std::vector<std::size_t> Dataset::cells_of(std::size_t condition_number) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < cells(); ++i)
    if (static_cast<std::size_t>(condition[i]) == condition_number) out.push_back(i);
  return out;
}

std::vector<float> Dataset::expression(const std::vector<std::size_t>& chosen) const {
  std::vector<float> out(chosen.size() * genes(), 0.0f);
  for (std::size_t r = 0; r < chosen.size(); ++r) {
    const std::size_t i = chosen[r];
    for (auto k = static_cast<std::size_t>(counts.row_offsets[i]);
         k < static_cast<std::size_t>(counts.row_offsets[i + 1]); ++k)
      out[r * genes() + static_cast<std::size_t>(counts.column_index[k])] =
          static_cast<float>(std::log1p(10000.0 * static_cast<double>(counts.values[k]) / library_size[i]));
  }
  return out;
}

std::vector<float> Dataset::expression_of_genes(const std::vector<std::string>& wanted) const {
  std::map<std::string, std::size_t> have;
  for (std::size_t g = 0; g < gene_names.size(); ++g) have.emplace(gene_names[g], g);
  constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  std::vector<std::size_t> place(genes(), nowhere);
  std::size_t missing = 0;
  std::string first_missing;
  for (std::size_t g = 0; g < wanted.size(); ++g) {
    const auto found = have.find(wanted[g]);
    if (found != have.end())
      place[found->second] = g;
    else if (missing++ == 0)
      first_missing = wanted[g];
  }
  require_input(missing == 0, path, ": has not all genes of the run; missing are ", missing, " of ", wanted.size(),
                ", the first is '", first_missing, "' (genes are matched by the names in var)");
  std::vector<float> out(cells() * wanted.size(), 0.0f);
  for (std::size_t i = 0; i < cells(); ++i)
    for (auto k = static_cast<std::size_t>(counts.row_offsets[i]);
         k < static_cast<std::size_t>(counts.row_offsets[i + 1]); ++k) {
      const std::size_t to = place[static_cast<std::size_t>(counts.column_index[k])];
      if (to != nowhere)
        out[i * wanted.size() + to] =
            static_cast<float>(std::log1p(10000.0 * static_cast<double>(counts.values[k]) / library_size[i]));
    }
  return out;
}

}  // namespace perturbine

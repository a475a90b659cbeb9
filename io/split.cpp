#include "io/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "io/file.h"
#include "kernels/random/random.h"

namespace perturbine {
namespace {

using Json = nlohmann::ordered_json;

std::string text_field(const Json& j, const char* key, const std::string& where) {
  if (!j.contains(key)) return "";
  require_input(j[key].is_string(), where, ": '", key, "' must be text");
  return j[key].get<std::string>();
}

SplitEntry read_entry(const Json& j, const std::string& where) {
  SplitEntry e;
  if (j.is_string()) {
    e.condition = canonical_label(parse_condition(j.get<std::string>()));
    return e;
  }
  require_input(j.is_object(), where, ": an entry must be a condition's label or an object");
  for (const auto& [key, value] : j.items())
    require_input(key == "condition" || key == "cell_type" || key == "batch" || key == "cells", where, ": the field '",
                  key, "' of an entry is not known");
  if (j.contains("condition")) e.condition = canonical_label(parse_condition(text_field(j, "condition", where)));
  e.cell_type = text_field(j, "cell_type", where);
  e.batch = text_field(j, "batch", where);
  if (j.contains("cells")) e.cells = j["cells"].get<std::vector<std::string>>();
  return e;
}

SplitLists read_lists(const Json& j, const std::string& where) {
  SplitLists s;
  s.name = text_field(j, "name", where);
  s.rest = text_field(j, "rest", where);
  require_input(s.rest.empty() || s.rest == "train" || s.rest == "ignore", where, ": 'rest' is '", s.rest,
                "' but must be train or ignore");
  for (const auto& [key, list] : {std::pair{"train", &s.train}, {"validation", &s.validation}, {"test", &s.test}}) {
    if (!j.contains(key)) continue;
    require_input(j[key].is_array(), where, ": '", key, "' must be a list");
    for (const Json& e : j[key]) list->push_back(read_entry(e, where));
  }
  if (j.contains("groups")) {
    if (j["groups"].is_object()) {
      for (const auto& [label, group] : j["groups"].items())
        s.groups.emplace_back(read_entry(label, where), group.get<std::string>());
    } else {
      for (const Json& g : j["groups"]) {
        require_input(g.is_object() && g.contains("match") && g.contains("group"), where,
                      ": a group needs 'match' and 'group'");
        s.groups.emplace_back(read_entry(g["match"], where), text_field(g, "group", where));
      }
    }
  }
  return s;
}

Json entry_json(const SplitEntry& e) {
  if (e.cell_type.empty() && e.batch.empty() && e.cells.empty()) return e.condition;
  Json j;
  if (!e.condition.empty()) j["condition"] = e.condition;
  if (!e.cell_type.empty()) j["cell_type"] = e.cell_type;
  if (!e.batch.empty()) j["batch"] = e.batch;
  if (!e.cells.empty()) j["cells"] = e.cells;
  return j;
}

Json lists_json(const SplitLists& s) {
  Json j;
  j["name"] = s.name;
  for (const auto& [key, list] : {std::pair{"train", &s.train}, {"validation", &s.validation}, {"test", &s.test}}) {
    j[key] = Json::array();
    for (const SplitEntry& e : *list) j[key].push_back(entry_json(e));
  }
  if (!s.groups.empty()) {
    j["groups"] = Json::array();
    for (const auto& [e, group] : s.groups) j["groups"].push_back({{"match", entry_json(e)}, {"group", group}});
  }
  if (!s.rest.empty()) j["rest"] = s.rest;
  return j;
}

}  // namespace

std::vector<SplitLists> read_split(const std::string& path) {
  Json j;
  try {
    j = Json::parse(read_text(path));
    require_input(j.is_object() && j.value("schema", "") == "perturbine.split/1", path,
                  ": its schema is not perturbine.split/1");
    static const std::set<std::string> known{"schema", "name",   "train", "validation",
                                             "test",   "groups", "rest",  "folds"};
    for (const auto& [key, value] : j.items())
      require_input(known.count(key) != 0, path, ": the field '", key, "' is not known");
    if (!j.contains("folds")) return {read_lists(j, path)};
    std::vector<SplitLists> folds;
    for (const Json& f : j["folds"]) folds.push_back(read_lists(f, path));
    require_input(!folds.empty(), path, ": 'folds' is empty");
    return folds;
  } catch (const nlohmann::json::exception& e) {
    throw InputError(text(path, ": is not a valid split file: ", e.what()));
  }
}

std::string split_text(const std::string& name, const std::vector<SplitLists>& folds) {
  Json j;
  j["schema"] = "perturbine.split/1";
  if (folds.size() == 1) {
    Json lists = lists_json(folds[0]);
    lists["name"] = name;
    for (const auto& [key, value] : lists.items()) j[key] = value;
  } else {
    j["name"] = name;
    j["folds"] = Json::array();
    for (const SplitLists& f : folds) j["folds"].push_back(lists_json(f));
  }
  return j.dump(1) + "\n";
}

std::vector<std::size_t> Fold::cells_with(Role r) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < role.size(); ++i)
    if (role[i] == r) out.push_back(i);
  return out;
}

namespace {

// Whether a cell has the condition, cell type and batch an entry names; the names of cells apart.
bool fits(const SplitEntry& e, const Dataset& data, std::size_t i) {
  const auto same = [&](const std::string& wanted, const auto& names, const auto& of) {
    return wanted.empty() || (i < of.size() && names[static_cast<std::size_t>(of[i])] == wanted);
  };
  return same(e.condition, data.labels, data.condition) && same(e.cell_type, data.cell_types, data.cell_type) &&
         same(e.batch, data.batches, data.batch);
}

}  // namespace

Fold apply_split(const SplitLists& lists, const Dataset& data) {
  Fold fold;
  fold.name = lists.name;
  constexpr auto unlisted = static_cast<Role>(255);
  fold.role.assign(data.cells(), unlisted);
  std::map<std::string, std::size_t> cell_number;
  auto matching = [&](const SplitEntry& e, const char* list) {
    std::vector<std::size_t> cells;
    const auto known = [&](const std::string& value, const std::vector<std::string>& names, const char* what) {
      if (value.empty()) return;
      if (std::find(names.begin(), names.end(), value) != names.end()) return;
      throw InputError(text("split: the ", what, " '", value, "' in ", list, " is not in ", data.path,
                            note_on_spelling(value, names)));
    };
    known(e.condition, data.labels, "condition");
    known(e.cell_type, data.cell_types, "cell type");
    known(e.batch, data.batches, "batch");
    std::set<std::string> names(e.cells.begin(), e.cells.end());
    for (std::size_t i = 0; i < data.cells(); ++i) {
      if (!fits(e, data, i) || (!names.empty() && names.count(data.cell_names[i]) == 0)) continue;
      cells.push_back(i);
    }
    require_input(names.empty() || cells.size() == names.size(), "split: an entry of ", list,
                  " names cells that are not in ", data.path);
    return cells;
  };
  auto assign = [&](const std::vector<SplitEntry>& entries, Role role, const char* list,
                    std::vector<Fold::Entry>* out) {
    for (const SplitEntry& e : entries) {
      const auto cells = matching(e, list);
      for (const std::size_t i : cells) {
        require_input(fold.role[i] == unlisted || fold.role[i] == role, "split: ", e.name(), " stands in ", list,
                      " and in another list: its cells would leak into training");
        fold.role[i] = role;
      }
      if (out == nullptr) continue;
      // One entry per condition and context, so that each is compared with controls of its own context.
      std::map<std::pair<std::int32_t, std::int32_t>, Fold::Entry> parts;
      for (const std::size_t i : cells) {
        Fold::Entry& part = parts[{data.condition[i], data.context[i]}];
        part.label = data.labels[static_cast<std::size_t>(data.condition[i])];
        part.context = data.contexts[static_cast<std::size_t>(data.context[i])];
        part.cells.push_back(i);
      }
      for (auto& [key, part] : parts) {
        if (part.label == control_label) continue;
        require_input(part.cells.size() >= 2, "split: ", part.label, " has ", part.cells.size(),
                      " held-out cell; at least 2 are needed");
        for (const auto& [match, group] : lists.groups)
          if (fits(match, data, part.cells[0])) part.group = group;
        out->push_back(part);
      }
    }
  };
  assign(lists.test, Role::test, "test", &fold.test);
  assign(lists.validation, Role::validation, "validation", &fold.validation);
  assign(lists.train, Role::train, "train", nullptr);
  std::set<std::string> missing;
  for (std::size_t i = 0; i < data.cells(); ++i) {
    if (fold.role[i] != unlisted) continue;
    if (data.condition[i] == 0 || lists.rest == "train")
      fold.role[i] = Role::train;
    else if (lists.rest == "ignore")
      fold.role[i] = Role::ignore;
    else
      missing.insert(data.labels[static_cast<std::size_t>(data.condition[i])]);
  }
  require_input(missing.empty(), "split: ", missing.size(), " conditions stand in no list, for example ",
                missing.empty() ? "" : *missing.begin(), "; list them or say \"rest\": \"train\" or \"ignore\"");
  bool control_trains = false;
  for (std::size_t i = 0; i < data.cells(); ++i)
    control_trains |= data.condition[i] == 0 && fold.role[i] == Role::train;
  require_input(control_trains, "split: no control cells are left to train on");
  return fold;
}

namespace {

std::vector<std::size_t> shuffled(std::size_t n, std::uint64_t seed) {
  std::vector<std::uint32_t> order(n);
  random_permutation(seed, 0, order.data(), n);
  return {order.begin(), order.end()};
}

SplitEntry entry_of(const std::string& label) {
  SplitEntry e;
  e.condition = label;
  return e;
}

// Everything that is not a test condition trains.
SplitLists hold_out(const Dataset& data, const std::set<std::string>& test, std::string name) {
  SplitLists s;
  s.name = std::move(name);
  for (std::size_t l = 1; l < data.labels.size(); ++l)
    (test.count(data.labels[l]) != 0 ? s.test : s.train).push_back(entry_of(data.labels[l]));
  return s;
}

// The same of conditions, or of conditions in one context: there the condition trains in the others.
SplitLists hold_out_entries(const Dataset& data, const std::vector<SplitEntry>& test, std::string name) {
  if (test[0].cell_type.empty()) {
    std::set<std::string> labels;
    for (const SplitEntry& e : test) labels.insert(e.condition);
    return hold_out(data, labels, std::move(name));
  }
  SplitLists s;
  s.name = std::move(name);
  s.test = test;
  s.rest = "train";
  return s;
}

// What leave-one-out and k-fold hold out one by one.
std::vector<SplitEntry> units_of(const Dataset& data, const std::string& of) {
  require_input(of == "all" || of == "singles" || of == "doubles" || of == "pairs", "--of is '", of,
                "' but must be all, singles, doubles or pairs");
  std::vector<SplitEntry> units;
  for (std::size_t l = 1; l < data.labels.size(); ++l) {
    const std::size_t parts = data.conditions[l].parts.size();
    if ((of == "singles" && parts != 1) || (of == "doubles" && parts < 2)) continue;
    SplitEntry e = entry_of(data.labels[l]);
    if (of != "pairs") {
      units.push_back(e);
      continue;
    }
    std::vector<std::size_t> count(data.cell_types.size(), 0);
    for (const std::size_t i : data.cells_of(l)) ++count[static_cast<std::size_t>(data.cell_type[i])];
    for (std::size_t c = 0; c < count.size(); ++c)
      if (count[c] >= 2) {
        e.cell_type = data.cell_types[c];
        units.push_back(e);
      }
  }
  require_input(!units.empty(), data.path, ": has nothing to hold out with --of ", of);
  return units;
}

// How many of a combination's parts are seen alone in training.
void add_seen_groups(const Dataset& data, SplitLists& s) {
  std::set<std::string> singles;
  for (const SplitEntry& e : s.train)
    if (const auto& c = data.conditions[data.condition_index(e.condition)]; c.parts.size() == 1)
      singles.insert(c.parts[0].name);
  for (const SplitEntry& e : s.test) {
    const Condition& c = data.conditions[data.condition_index(e.condition)];
    std::size_t seen = 0;
    for (const auto& p : c.parts) seen += singles.count(p.name);
    s.groups.emplace_back(e, c.parts.size() == 1 ? "single" : "double_seen" + std::to_string(seen));
  }
}

}  // namespace

std::vector<SplitLists> make_split(const Dataset& data, const SplitOptions& o) {
  require_input(o.fraction > 0 && o.fraction < 1, "--fraction is ", o.fraction, " but must lie between 0 and 1");
  require_input(o.folds >= 2, "--folds is ", o.folds, " but must be at least 2");
  std::vector<std::string> perturbed(data.labels.begin() + 1, data.labels.end()), doubles;
  require_input(!perturbed.empty(), data.path, ": has no perturbed condition to hold out");
  for (std::size_t l = 1; l < data.labels.size(); ++l)
    if (data.conditions[l].parts.size() >= 2) doubles.push_back(data.labels[l]);
  auto some = [&](const std::vector<std::string>& from) {
    std::set<std::string> chosen;
    const auto order = shuffled(from.size(), o.seed);
    const auto count =
        std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(o.fraction * static_cast<double>(from.size()))));
    for (std::size_t i = 0; i < std::min(count, from.size()); ++i) chosen.insert(from[order[i]]);
    return chosen;
  };
  std::vector<SplitLists> folds;
  if (o.kind == "random" || o.kind == "doubles") {
    require_input(o.kind == "random" || !doubles.empty(), data.path,
                  ": has no combination to hold out (--kind doubles)");
    folds.push_back(hold_out(data, some(o.kind == "random" ? perturbed : doubles), o.kind));
    add_seen_groups(data, folds.back());
  } else if (o.kind == "leave-one-out" || o.kind == "k-fold") {
    const std::vector<SplitEntry> units = units_of(data, o.of);
    const bool each = o.kind == "leave-one-out";
    const std::size_t count = each ? units.size() : o.folds;
    require_input(count <= units.size(), "--folds is ", o.folds, " but there are ", units.size(),
                  o.of == "pairs" ? " pairs of condition and context" : " perturbed conditions");
    const auto order = shuffled(units.size(), o.seed);
    for (std::size_t f = 0; f < count; ++f) {
      std::vector<SplitEntry> test;
      if (each) test.push_back(units[f]);
      for (std::size_t i = f; i < order.size() && !each; i += count) test.push_back(units[order[i]]);
      folds.push_back(hold_out_entries(data, test, each ? units[f].name() : "fold" + std::to_string(f + 1)));
      if (o.of != "pairs") add_seen_groups(data, folds.back());
    }
  } else if (o.kind == "cells") {
    SplitLists s;
    s.name = "cells";
    s.rest = "train";
    for (std::size_t l = 1; l < data.labels.size(); ++l) {
      const auto cells = data.cells_of(l);
      const auto order = shuffled(cells.size(), o.seed + l);
      const auto count = static_cast<std::size_t>(o.fraction * static_cast<double>(cells.size()));
      if (count < 2) continue;
      SplitEntry e = entry_of(data.labels[l]);
      for (std::size_t i = 0; i < count; ++i) e.cells.push_back(data.cell_names[cells[order[i]]]);
      s.test.push_back(e);
    }
    require_input(!s.test.empty(), data.path, ": no condition has enough cells to hold out a fraction of ", o.fraction);
    folds.push_back(s);
  } else if (o.kind == "leave-covariate-out") {
    require_input(o.by == "cell_type" || o.by == "batch", "--by is '", o.by, "' but must be cell_type or batch");
    const auto& names = o.by == "cell_type" ? data.cell_types : data.batches;
    require_input(names.size() >= 2, data.path, ": has only one ", o.by,
                  " (--cell-type-column and --batch-column name columns)");
    for (const std::string& value : names) {
      SplitLists s;
      s.name = value;
      s.rest = "train";
      for (std::size_t l = 1; l < data.labels.size(); ++l) {
        SplitEntry e = entry_of(data.labels[l]);
        (o.by == "cell_type" ? e.cell_type : e.batch) = value;
        const auto cells = data.cells_of(l);
        const auto& of = o.by == "cell_type" ? data.cell_type : data.batch;
        const bool any = std::any_of(cells.begin(), cells.end(),
                                     [&](std::size_t i) { return names[static_cast<std::size_t>(of[i])] == value; });
        if (any) s.test.push_back(e);
      }
      folds.push_back(s);
    }
  } else {
    throw InputError(text("--kind is '", o.kind,
                          "' but must be random, cells, doubles, leave-one-out, k-fold or leave-covariate-out"));
  }
  for (SplitLists& s : folds) {
    if (o.enough_cells == 0 || !s.groups.empty()) continue;
    for (const SplitEntry& e : s.test) {
      std::size_t count = e.cells.size();
      for (std::size_t i = 0; i < data.cells() && e.cells.empty(); ++i) count += fits(e, data, i) ? 1 : 0;
      s.groups.emplace_back(e, count < o.enough_cells ? "few_cells" : "enough_cells");
    }
  }
  return folds;
}

}  // namespace perturbine

// predict: cells of a condition, drawn anew or from given ones.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "cli/command.h"
#include "evaluation/run.h"
#include "io/file.h"
#include "io/h5ad.h"
#include "kernels/core/joined.h"

namespace perturbine::cli {
namespace {

struct PredictOptions {
  std::string run, condition, conditions, cell_type, out;
  std::vector<double> times, doses;
  long long cells = 400;
  bool force = false, cells_given = false;
  DataOptions from;
};

Condition known_condition(const std::string& label, const TrainingData& data) {
  Condition c = parse_condition(label);
  std::vector<std::string> known;
  for (const Condition& k : data.conditions)
    for (const auto& p : k.parts)
      if (std::find(known.begin(), known.end(), p.name) == known.end()) known.push_back(p.name);
  for (const auto& p : c.parts) {
    if (std::find(known.begin(), known.end(), p.name) != known.end()) continue;
    if (data.features && data.features->find(p.name) != nullptr) continue;
    std::sort(known.begin(), known.end());
    const std::string near = note_on_spelling(p.name, known);
    throw InputError(text("perturbation '", p.name, "' was not in training",
                          !near.empty() ? near
                          : known.size() > 10
                              ? text("; the run knows ", joined(known, 10), " (", known.size(), " in all)")
                              : "; the run knows " + joined(known)));
  }
  return c;
}

// The condition trained at a time, or a name for one that none was trained at.
std::string time_label(const TrainingData& data, double time) {
  for (std::size_t c = 0; c < data.times.size(); ++c)
    if (data.times[c] == time) return canonical_label(data.conditions[c]);
  return text("time", time);
}

// What the cells are called: with a time any name will do that is not another time's.
Condition asked_condition(const PredictOptions& o, const TrainingData& data) {
  if (o.times.empty()) {
    require_input(!o.condition.empty(),
                  "say what to predict: --condition, --conditions FILE, or of a time course --time");
    return known_condition(o.condition, data);
  }
  require_input(o.from.path.empty(), "--from asks what given cells would be under a condition; leave --time out");
  require_input(o.times.size() == 1 || o.condition.empty(),
                "several times are the same cells followed; leave --condition out");
  if (o.condition.empty()) return parse_condition(time_label(data, o.times[0]));
  Condition named = parse_condition(o.condition);
  for (std::size_t c = 0; c < data.times.size(); ++c)
    require_input(!(data.conditions[c] == named) || data.times[c] == o.times[0], "--condition '", o.condition,
                  "' was trained at time ", data.times[c], ", not ", o.times[0], "; leave --condition or --time out");
  return named;
}

// The conditions of a file, one a line; empty lines and those that begin with # say nothing.
std::vector<Condition> listed_conditions(const PredictOptions& o, const TrainingData& data) {
  require_input(
      o.condition.empty() && o.times.empty() && o.doses.empty() && o.from.path.empty(),
      "--conditions draws new cells of every condition it lists; leave --condition, --dose, --time and --from "
      "out");
  std::vector<Condition> conditions;
  std::istringstream lines(read_text(o.conditions));
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == line.npos || line[begin] == '#') continue;
    const std::size_t end = line.find_last_not_of(" \t\r");
    try {
      conditions.push_back(known_condition(line.substr(begin, end - begin + 1), data));
    } catch (const InputError& e) {
      throw InputError(text(o.conditions, ", line ", number, ": ", e.what()));
    }
    require_input(std::find(conditions.begin(), conditions.end() - 1, conditions.back()) == conditions.end() - 1,
                  o.conditions, ", line ", number, ": ", canonical_label(conditions.back()), " stands there already");
  }
  require_input(!conditions.empty(), o.conditions, ": lists no condition; write one a line, for example A+B");
  return conditions;
}

// The same perturbations at another dose: every part's weight times it.
Condition at_dose(Condition c, double dose) {
  for (auto& p : c.parts) p.weight *= dose;
  return c;
}

void check_doses(const PredictOptions& o, const Condition& condition) {
  if (o.doses.empty()) return;
  require_input(o.times.empty(), "--dose and --time exclude one another");
  require_input(!condition.is_control(), "--dose: the condition is control, which has no dose");
  require_input(o.from.path.empty() || o.doses.size() == 1,
                "--from gives one cell for each of its own: name one --dose, not ", o.doses.size());
  for (const double d : o.doses)
    require_input(std::isfinite(d) && d > 0 && d <= 1e6, "--dose is ", d,
                  " but must be a positive number; 1 is the condition as it is written");
  for (std::size_t i = 1; i < o.doses.size(); ++i)
    require_input(o.doses[i] > o.doses[i - 1], "--dose: ", o.doses[i], " follows ", o.doses[i - 1],
                  "; doses must rise");
}

// Adds a cell's row of counts, or of log1p values where the model makes no counts.
void add_row(CsrMatrix& m, const GeneratedCells& cells, std::size_t i) {
  const std::vector<float>& values = cells.counts.empty() ? cells.expression : cells.counts;
  for (std::size_t g = 0; g < cells.genes; ++g)
    if (const float v = values[i * cells.genes + g]; v != 0) {
      m.column_index.push_back(static_cast<std::int32_t>(g));
      m.values.push_back(v);
    }
  m.row_offsets.push_back(static_cast<std::int64_t>(m.values.size()));
  ++m.rows;
}

// What is written, gathered over contexts.
struct Written {
  H5adContents file;
  std::vector<std::string> cell_type, batch, own_condition;
  std::vector<double> library_size, time, followed, dose;
  std::vector<std::string> label;  // of each cell
  std::string mean_labels;
  std::vector<float> means, half_widths;  // of 90 % intervals; NaN where the model says nothing
  std::string stated;                     // about errors, for the log
  bool as_counts = true;
};

void add_mean(Written& w, const Query& q, const TrainingData& data, const std::vector<double>& mean,
              const MeanStatement& stated) {
  for (std::size_t g = 0; g < mean.size(); ++g)
    w.half_widths.push_back(stated.half_width.empty() ? std::nanf("") : static_cast<float>(stated.half_width[g]));
  if (!stated.half_width.empty())
    w.stated += text(w.stated.empty() ? "" : ", ", canonical_label(q.condition), " ", stated.error);
  const std::string& context = data.contexts[q.context];
  w.mean_labels +=
      (w.mean_labels.empty() ? "" : "\n") + canonical_label(q.condition) + (context.empty() ? "" : "|" + context);
  w.means.insert(w.means.end(), mean.begin(), mean.end());
}

void add_cells(Written& w, const GeneratedCells& cells, const std::string& name, const std::string& context) {
  for (std::size_t i = 0; i < cells.count; ++i) {
    add_row(w.file.matrix, cells, i);
    w.file.cell_names.push_back(name + std::to_string(i + 1));
    w.library_size.push_back(cells.library_size[i]);
    w.cell_type.push_back(context);
  }
  w.as_counts = !cells.counts.empty();
}

void draw_new(const PredictOptions& o, const Common& common, Queue& queue, const Run& run, const Condition& condition,
              Written& w) {
  const TrainingData& data = run.model->backbone().data();
  const std::size_t context = context_named(data, o.cell_type, "--cell-type");
  const Query q = o.times.size() == 1 ? query_at(data, o.times[0], context) : Query{condition, context};
  if (o.times.size() == 1 && !q.between && time_label(data, o.times[0]) != canonical_label(q.condition))
    say(common, text("time ", o.times[0], " lies outside the training data's: these are cells of ",
                     canonical_label(q.condition)));
  add_cells(w, run.model->sample(queue, q, static_cast<std::size_t>(o.cells), common.seed), "generated",
            data.contexts[context]);
  w.time.assign(o.times.empty() ? 0 : w.cell_type.size(), o.times.empty() ? 0 : o.times[0]);
  add_mean(w, {condition, context}, data, run.model->predict_mean(queue, q), run.model->state_mean(q, 0));
}

// Cells of every condition from the same noise, named after it by `prefix`.
void draw_each(const PredictOptions& o, const Common& common, Queue& queue, const Run& run,
               const std::vector<Condition>& conditions, const std::vector<std::string>& prefix, Written& w) {
  const TrainingData& data = run.model->backbone().data();
  const std::size_t context = context_named(data, o.cell_type, "--cell-type");
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    const Query q{conditions[c], context};
    const auto cells = run.model->sample(queue, q, static_cast<std::size_t>(o.cells), common.seed);
    add_cells(w, cells, prefix[c], data.contexts[context]);
    w.label.insert(w.label.end(), cells.count, canonical_label(q.condition));
    add_mean(w, q, data, run.model->predict_mean(queue, q), run.model->state_mean(q, 0));
  }
}

void draw_listed(const PredictOptions& o, const Common& common, Queue& queue, const Run& run,
                 const std::vector<Condition>& conditions, Written& w) {
  std::vector<std::string> prefix;
  for (const Condition& c : conditions) prefix.push_back(canonical_label(c) + "_cell");
  draw_each(o, common, queue, run, conditions, prefix, w);
}

// Only the dose differs.
void draw_doses(const PredictOptions& o, const Common& common, Queue& queue, const Run& run, const Condition& condition,
                Written& w) {
  std::vector<Condition> conditions;
  std::vector<std::string> prefix;
  for (const double dose : o.doses) {
    conditions.push_back(at_dose(condition, dose));
    prefix.push_back(o.doses.size() == 1 ? "generated" : text("dose", dose, "_cell"));
    w.dose.insert(w.dose.end(), static_cast<std::size_t>(o.cells), dose);
  }
  draw_each(o, common, queue, run, conditions, prefix, w);
}

// The same cells at every time.
void follow(const PredictOptions& o, const Common& common, Queue& queue, const Run& run, Written& w) {
  const TrainingData& data = run.model->backbone().data();
  const std::size_t context = context_named(data, o.cell_type, "--cell-type");
  const auto at = run.model->trajectory(queue, context, o.times, static_cast<std::size_t>(o.cells), common.seed);
  for (std::size_t k = 0; k < at.size(); ++k) {
    const std::string label = time_label(data, o.times[k]);
    add_cells(w, at[k], text("time", o.times[k], "_cell"), data.contexts[context]);
    for (std::size_t i = 0; i < at[k].count; ++i) {
      w.time.push_back(o.times[k]);
      w.followed.push_back(static_cast<double>(i + 1));
      w.label.push_back(label);
    }
    add_mean(w, {parse_condition(label), context}, data,
             run.model->predict_mean(queue, query_at(data, o.times[k], context)), {});
  }
}

void change_given(const PredictOptions& o, const Common& common, Queue& queue, const Run& run,
                  const Condition& condition, Written& w) {
  const TrainingData& data = run.model->backbone().data();
  const Dataset given = read_data(o.from, common);
  const std::vector<float> expression = given.expression_of_genes(run.gene_names);
  const std::size_t G = run.gene_names.size();
  // Every cell's context: --cell-type for all, or the file's column.
  std::vector<std::size_t> context(given.cells());
  std::vector<std::int32_t> batch(given.cells(), -1);
  for (std::size_t i = 0; i < given.cells(); ++i) {
    const std::string& own = given.cell_types[static_cast<std::size_t>(given.cell_type[i])];
    context[i] = context_named(data, !o.cell_type.empty() || data.contexts.size() == 1 ? o.cell_type : own,
                               o.cell_type.empty() ? "--cell-type or obs/cell_type" : "--cell-type");
    const auto found =
        std::find(data.batches.begin(), data.batches.end(), given.batches[static_cast<std::size_t>(given.batch[i])]);
    if (found != data.batches.end()) batch[i] = static_cast<std::int32_t>(found - data.batches.begin());
  }
  std::vector<GeneratedCells> of_context(data.contexts.size());
  std::vector<std::pair<std::size_t, std::size_t>> place;  // of each cell: context, row
  std::vector<GivenCells> asked(data.contexts.size());
  for (std::size_t i = 0; i < given.cells(); ++i) {
    GivenCells& to = asked[context[i]];
    place.emplace_back(context[i], to.count++);
    to.expression.insert(to.expression.end(), expression.begin() + static_cast<std::ptrdiff_t>(i * G),
                         expression.begin() + static_cast<std::ptrdiff_t>((i + 1) * G));
    to.library_size.push_back(given.library_size[i]);
    to.condition.push_back(given.conditions[static_cast<std::size_t>(given.condition[i])]);
    to.batch.push_back(batch[i]);
  }
  for (std::size_t c = 0; c < asked.size(); ++c) {
    if (asked[c].count == 0) continue;
    const Query q{condition, c};
    of_context[c] = run.model->counterfactual(queue, q, asked[c], common.seed);
    w.as_counts = !of_context[c].counts.empty();
    add_mean(w, q, data, run.model->predict_mean(queue, q), run.model->state_mean(q, 0));
  }
  for (std::size_t i = 0; i < given.cells(); ++i) {
    const auto [c, row] = place[i];
    add_row(w.file.matrix, of_context[c], row);
    w.library_size.push_back(of_context[c].library_size[row]);
    w.cell_type.push_back(data.contexts[c]);
    w.own_condition.push_back(given.labels[static_cast<std::size_t>(given.condition[i])]);
    w.batch.push_back(given.batches[static_cast<std::size_t>(given.batch[i])]);
  }
  w.file.cell_names = given.cell_names;
}

void predict(PredictOptions& o, const Common& common) {
  require_input(o.cells >= 1 && o.cells <= 10000000, "--cells is ", o.cells, " but must lie between 1 and 10,000,000");
  require_input(o.from.path.empty() || !o.cells_given,
                "--from gives one cell for each of its own; leave --cells out, or --from");
  claim_output(o.out, o.force);
  Work work(common);
  const Run run = load_run(work.queue(), checkpoint_of(o.run));
  std::vector<Condition> listed;
  Condition condition;
  if (o.conditions.empty()) {
    condition = asked_condition(o, run.model->backbone().data());
    check_doses(o, condition);
  } else {
    listed = listed_conditions(o, run.model->backbone().data());
  }
  Written w;
  w.file.gene_names = run.gene_names;
  w.file.matrix.columns = run.gene_names.size();
  if (!listed.empty())
    draw_listed(o, common, work.queue(), run, listed, w);
  else if (o.times.size() > 1)
    follow(o, common, work.queue(), run, w);
  else if (!o.doses.empty() && o.from.path.empty())
    draw_doses(o, common, work.queue(), run, condition, w);
  else if (o.from.path.empty())
    draw_new(o, common, work.queue(), run, condition, w);
  else {
    if (!o.doses.empty()) condition = at_dose(condition, o.doses[0]);
    change_given(o, common, work.queue(), run, condition, w);
    if (!o.doses.empty()) w.dose.assign(w.file.matrix.rows, o.doses[0]);
  }
  const std::size_t n = w.file.matrix.rows;
  if (o.doses.size() == 1 && o.from.path.empty()) condition = at_dose(condition, o.doses[0]);
  const std::string label = !listed.empty()      ? text(listed.size(), " condition(s)")
                            : o.times.size() > 1 ? text(o.times.size(), " times")
                            : o.doses.size() > 1 ? text(canonical_label(condition), " at ", o.doses.size(), " doses")
                                                 : canonical_label(condition);
  if (w.label.empty()) w.label.assign(n, label);
  w.file.text_columns = {{"condition", w.label}};
  auto named = [](const std::vector<std::string>& column) {
    return std::any_of(column.begin(), column.end(), [](const std::string& s) { return !s.empty(); });
  };
  if (named(w.cell_type)) w.file.text_columns.emplace_back("cell_type", w.cell_type);
  if (named(w.batch)) w.file.text_columns.emplace_back("batch", w.batch);
  if (!w.own_condition.empty()) w.file.text_columns.emplace_back("original_condition", w.own_condition);
  w.file.number_columns = {{"library_size", w.library_size}};
  if (!w.time.empty()) w.file.number_columns.emplace_back("time", w.time);
  if (!w.dose.empty()) w.file.number_columns.emplace_back("dose", w.dose);
  if (!w.followed.empty()) w.file.number_columns.emplace_back("followed_cell", w.followed);
  w.file.notes = {{"model", run.model->name()},
                  {"expression", w.as_counts ? "counts" : "log1p"},
                  {"predicted_mean_labels", w.mean_labels}};
  const std::size_t means = w.means.size() / run.gene_names.size();
  w.file.arrays.emplace_back("predicted_mean", std::vector<std::size_t>{means, run.gene_names.size()}, w.means);
  if (!w.stated.empty()) {
    w.file.arrays.emplace_back("predicted_mean_half_width", std::vector<std::size_t>{means, run.gene_names.size()},
                               w.half_widths);
    say(common, "expected error of the mean (L2): " + w.stated);
  }
  write_h5ad(o.out, w.file);
  say(common, text("wrote ", n, " cells of ", label,
                   w.as_counts ? " as counts" : " as log1p values: read them with --expression log1p"));
  print_result(common, "predict", o.out,
               {{"condition", label},
                {"cell_type", o.cell_type},
                {"cells", n},
                {"genes", run.gene_names.size()},
                {"expression", w.as_counts ? "counts" : "log1p"},
                {"seed", common.seed}});
}

}  // namespace

void add_predict(CLI::App& app, Common& common, std::function<void()>& action) {
  auto o = std::make_shared<PredictOptions>();
  app.add_option("--run", o->run, "folder of a trained run")->required();
  app.add_option("--condition", o->condition, "what to predict, for example \"A+B\" or \"A:0.5+B\"");
  app.add_option("--conditions", o->conditions,
                 "file with one condition a line: --cells of each, from the same noise, in one file");
  app.add_option(
         "--dose", o->doses,
         "dose of the condition, times the weights it is written with (A at dose 0.5 is A:0.5); several, rising, "
         "draw --cells of each from the same noise")
      ->delimiter(',');
  app.add_option("--time", o->times,
                 "of a time course: the time to predict; several, rising, follow the same cells over them (flow)")
      ->delimiter(',');
  app.add_option("--from", o->from.path,
                 "file of cells (.h5ad): what each of them would be under the condition (causal-vae)");
  app.add_option("--cell-type", o->cell_type,
                 "the context: a cell type, or of a run with --batch covariate a batch or type|batch");
  CLI::Option* cells = app.add_option("--cells", o->cells, "how many cells")->capture_default_str();
  app.add_option("--out", o->out, "file to write (.h5ad)")->required();
  app.add_flag("--force", o->force, "replace an existing file");
  add_given_cell_options(app, o->from);
  action = [o, cells, &common] {
    o->cells_given = cells->count() > 0;
    predict(*o, common);
  };
}

}  // namespace perturbine::cli

// evaluate and benchmark.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "cli/command.h"
#include "cli/reading.h"
#include "evaluation/enrichment.h"
#include "evaluation/scoring.h"
#include "io/file.h"
#include "io/h5ad.h"
#include "io/hdf5.h"
#include "io/known_interactions.h"
#include "kernels/core/joined.h"

namespace perturbine::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split_list(const std::string& s) {
  std::vector<std::string> out;
  std::istringstream in(s);
  for (std::string part; std::getline(in, part, ',');)
    if (!part.empty()) out.push_back(part);
  return out;
}

void claim_folder(const std::string& path, bool force) {
  require_input(is_free(path) || force, path,
                ": is already there; choose another --out or say --force to replace its files");
  std::error_code code;
  fs::create_directories(path, code);
  require_input(!code, path, ": cannot be made: ", code.message());
}

void write_results(const BenchmarkResults& r, const std::string& out, Work& work, const Common& common) {
  const std::string json = metrics_json(r, work.device_name(), work.queue().threads());
  write_text(out + "/metrics.json", json);
  write_text(out + "/metrics.csv", metrics_csv(r));
  write_text(out + "/report.html", report_html(r));
  if (common.json)
    std::printf("%s", json.c_str());
  else
    std::printf("%s%s", r.simulated ? "SIMULATED DATA\n" : "", metrics_table(r).c_str());
  say(common, text(out, "/report.html, metrics.json and metrics.csv are written (", std::lround(r.seconds), " s)"));
}

// Predicted means that a file of generated cells states beside them, by condition (and "|" cell type).
std::map<std::string, std::vector<float>> predicted_means(const std::string& path, std::size_t genes) {
  std::map<std::string, std::vector<float>> means;
  const auto file = hdf5::open_file(path);
  if (!hdf5::exists(file, "uns/perturbine/predicted_mean") ||
      !hdf5::exists(file, "uns/perturbine/predicted_mean_labels"))
    return means;
  const auto data = hdf5::open_dataset(file, "uns/perturbine/predicted_mean");
  const auto shape = hdf5::shape(data);
  require_input(shape.size() == 2 && shape[1] == genes, path,
                ": uns/perturbine/predicted_mean must have a column for each of ", genes, " genes");
  std::vector<float> values(hdf5::element_count(data, "predicted_mean"));
  hdf5::read_rows(data, 0, shape[0], shape[1], values.data(), "predicted_mean");
  std::string labels;
  for (const std::string& s :
       hdf5::read_strings(hdf5::open_dataset(file, "uns/perturbine/predicted_mean_labels"), "labels"))
    labels += s + "\n";
  std::istringstream in(labels);
  std::size_t row = 0;
  for (std::string label; std::getline(in, label); ++row) {
    require_input((row + 1) * genes <= values.size(), path, ": uns/perturbine/predicted_mean has fewer rows of ", genes,
                  " genes than predicted_mean_labels has lines");
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(row * genes);
    means[label] = {first, first + static_cast<std::ptrdiff_t>(genes)};
  }
  return means;
}

void add_gene_sets_option(CLI::App& app, std::string& path) {
  app.add_option("--gene-sets", path, "gene sets (.gmt): also judge whether predicted changes fall on the same sets");
}
std::vector<GeneSet> gene_sets(const std::string& path, const Dataset& data, const Common& common) {
  if (path.empty()) return {};
  auto sets = measured_gene_sets(path, data.gene_names);
  say(common, text("gene sets: ", sets.size(), " with at least five of the data's genes"));
  return sets;
}

void add_known_interactions_option(CLI::App& app, std::string& path) {
  app.add_option("--known-interactions", path,
                 "interactions known of pairs (A+B, or two columns, and a score): also judge whether strong ones are "
                 "predicted strong");
}
std::map<std::string, double> known_interactions(const std::string& path, const Dataset& data, const Common& common) {
  if (path.empty()) return {};
  auto known = read_known_interactions(path);
  const auto here = std::count_if(data.labels.begin(), data.labels.end(),
                                  [&](const std::string& label) { return known.count(label) != 0; });
  say(common, text("known interactions: ", here, " of ", known.size(), " pairs are conditions of the data"));
  return known;
}

}  // namespace

void add_benchmark(CLI::App& app, Common& common, std::function<void()>& action) {
  struct Options {
    DataOptions data;
    TrainingOptions training;
    std::string split,
        models = "no-change,mean,additive,additive-cells,ridge,backbone,diffusion,flow,causal-vae,hybrid,replicate",
        seeds = "1", out;
    long long cells = 400;
    std::string features, gene_sets, interactions;
    bool force = false, resume = false;
  };
  auto o = std::make_shared<Options>();
  add_data_options(app, o->data, false);
  add_training_options(app, o->training);
  add_features_option(app, o->features);
  add_gene_sets_option(app, o->gene_sets);
  add_known_interactions_option(app, o->interactions);
  app.add_option("--split", o->split, "split file")->required();
  CLI::Option* models =
      app.add_option("--models", o->models, "models, separated by commas (of a time course also time-mixture)")
          ->capture_default_str();
  app.add_option("--seeds", o->seeds, "seeds, separated by commas")->capture_default_str();
  app.add_option("--cells", o->cells, "generated cells of each condition")->capture_default_str();
  app.add_option("--out", o->out, "folder to write")->required();
  app.add_flag("--force", o->force, "replace existing results");
  app.add_flag("--resume", o->resume, "go on with a benchmark that was interrupted: what was done is not done again");
  action = [o, models, &common] {
    check_training_options(o->training);
    require_input(o->cells >= 2 && o->cells <= 100000, "--cells is ", o->cells, " but must lie between 2 and 100,000");
    BenchmarkOptions b;
    b.models = split_list(o->models);
    b.seeds.clear();
    for (const std::string& s : split_list(o->seeds)) {
      require_input(s.size() < 19 && s.find_first_not_of("0123456789") == std::string::npos, "--seeds: '", s,
                    "' is not a whole number");
      b.seeds.push_back(std::stoull(s));
    }
    b.cells = static_cast<std::size_t>(o->cells);
    b.training = o->training;
    b.unfinished = o->out + "/unfinished";
    b.stop = [] { return interrupted.load(); };
    require_input(!o->resume || !fs::exists(o->out + "/metrics.json") || fs::exists(b.unfinished), o->out,
                  ": is finished; say --force to run it again");
    claim_folder(o->out, o->force || o->resume);
    const Dataset data = read_data(o->data, common);
    if (!models->count() && !data.times.empty())
      b.models.insert(std::find(b.models.begin(), b.models.end(), "backbone"), "time-mixture");
    b.features = read_features(o->features, data, common);
    b.gene_sets = gene_sets(o->gene_sets, data, common);
    b.known_interactions = known_interactions(o->interactions, data, common);
    const auto split = read_split(o->split);
    if (!o->resume) fs::remove_all(b.unfinished);
    Work work(common);
    try {
      write_results(run_benchmark(work.queue(), data, split, b, sayer(common)), o->out, work, common);
      fs::remove_all(b.unfinished);
    } catch (const Stopped&) {
      say(common, "interrupted; the same command with --resume goes on from here");
      throw Interrupted{};
    }
  };
}

void add_evaluate(CLI::App& app, Common& common, std::function<void()>& action) {
  struct Options {
    DataOptions data;
    std::string predicted, predicted_expression, predicted_condition, predicted_cell_type, split, gene_sets,
        interactions, out;
    bool force = false;
  };
  auto o = std::make_shared<Options>();
  add_data_options(app, o->data, false);
  app.get_option("--data")->required(false);
  app.add_option("--real", o->data.path, "real cells (.h5ad)")->required();
  app.add_option("--predicted", o->predicted,
                 "generated cells of any tool (.h5ad), read by the same columns where it has them")
      ->required();
  app.add_option("--predicted-expression", o->predicted_expression, "counts or log1p");
  app.add_option("--predicted-condition-column", o->predicted_condition,
                 "its column with the perturbations, where that has another name than the real cells'");
  app.add_option("--predicted-cell-type-column", o->predicted_cell_type, "its column with the cell type, likewise");
  app.add_option("--split", o->split, "split file: groups, and what was training");
  add_gene_sets_option(app, o->gene_sets);
  add_known_interactions_option(app, o->interactions);
  app.add_option("--out", o->out, "folder to write")->required();
  app.add_flag("--force", o->force, "replace existing results");
  action = [o, &common] {
    claim_folder(o->out, o->force);
    const Dataset real = read_data(o->data, common);
    DataOptions p;
    p.path = o->predicted;
    p.expression = o->predicted_expression;
    p.generated = true;
    for (const Condition& c : real.conditions)
      for (const auto& part : c.parts) p.known_perturbations.push_back(part.name);
    // Columns that were named for the real cells name those of the generated ones too, where these have them.
    {
      const Reading reading(o->predicted);
      const H5adFile file(o->predicted);
      const auto follow = [&](std::string& column, const std::string& named) {
        if (named == "none" || (!named.empty() && file.has_column(named))) column = named;
      };
      follow(p.condition_column, o->data.condition_column), follow(p.cell_type_column, o->data.cell_type_column);
      follow(p.batch_column, o->data.batch_column), follow(p.time_column, o->data.time_column);
      follow(p.library_size_column, o->data.library_size_column);
      p.control = o->data.control;
    }
    if (!o->predicted_condition.empty()) p.condition_column = o->predicted_condition;
    if (!o->predicted_cell_type.empty()) p.cell_type_column = o->predicted_cell_type;
    const Dataset predicted = read_data(p, common);
    std::string sizes = real.library_size_source;
    if (predicted.counts_known && predicted.library_size_source != sizes) {
      sizes += "; of the generated cells: " + predicted.library_size_source;
      if (predicted.library_size_source == "row sums")
        say(common, text(o->predicted, ": has no column library_size: its counts are divided by their sums over these ",
                         predicted.genes(), " genes, those of the real cells by ", real.library_size_source,
                         "; where that is no such sum, add the column or give log1p values"));
    }
    // Genes by name.
    std::vector<std::size_t> gene;
    for (const std::string& g : real.gene_names) {
      const auto found = std::find(predicted.gene_names.begin(), predicted.gene_names.end(), g);
      require_input(found != predicted.gene_names.end(), o->predicted, ": has no gene '", g, "' of ", real.path);
      gene.push_back(static_cast<std::size_t>(found - predicted.gene_names.begin()));
    }
    SplitLists lists;
    if (!o->split.empty()) {
      const auto folds = read_split(o->split);
      require_input(folds.size() == 1, o->split, ": has ", folds.size(), " folds; evaluate takes a split with one");
      lists = folds[0];
    } else {
      for (const std::string& l : predicted.labels)
        if (l != control_label) {
          require_input(std::find(real.labels.begin(), real.labels.end(), l) != real.labels.end(), o->predicted,
                        ": holds cells of '", l, "', of which ", real.path,
                        " has none to judge them by; predict conditions that were measured");
          SplitEntry e;
          e.condition = l;
          lists.test.push_back(e);
        }
      lists.rest = "train";
    }
    const Fold fold = apply_split(lists, real);
    Work work(common);
    EvaluationSpace space = evaluation_space(real);
    space.gene_sets = gene_sets(o->gene_sets, real, common);
    space.known_interactions = known_interactions(o->interactions, real, common);
    const EffectTable effects(training_data(real, fold));
    BenchmarkResults r;
    Scoring scoring(work.queue(), space, r);
    r.models = {"predicted"};
    r.seeds = {common.seed};
    r.data_path = real.path, r.data_sha256 = real.sha256, r.simulated = real.simulated, r.library_size_source = sizes;
    const auto means = predicted_means(o->predicted, predicted.genes());
    std::size_t from_stated = 0, from_cells = 0;
    // Cells without a cell type stand for any; a file's only cell type is not looked at.
    const bool any_context =
        real.contexts.size() == 1 || (predicted.contexts.size() == 1 && predicted.contexts[0].empty());
    for (const Fold::Entry& e : fold.test) {
      std::vector<std::size_t> cells;
      for (std::size_t i = 0; i < predicted.cells(); ++i) {
        const bool same_context =
            any_context || predicted.contexts[static_cast<std::size_t>(predicted.context[i])] == e.context;
        if (predicted.labels[static_cast<std::size_t>(predicted.condition[i])] == e.label && same_context)
          cells.push_back(i);
      }
      if (cells.empty()) {
        if (!o->split.empty())
          say(common, text(o->predicted, ": has no cells of ", e.label, e.context.empty() ? "" : " in " + e.context,
                           "; left out"));
        continue;
      }
      require_input(cells.size() >= 2, o->predicted, ": has one cell of ", e.label, "; at least 2 are needed");
      const auto x = predicted.expression(cells);
      Prediction prediction;
      prediction.count = cells.size();
      prediction.mean.assign(real.genes(), 0);
      // The mean is the file's own predicted mean where it states one, else that of its cells.
      const auto stated = means.find(e.label + (e.context.empty() ? "" : "|" + e.context));
      for (std::size_t i = 0; i < cells.size(); ++i)
        for (std::size_t g = 0; g < real.genes(); ++g) {
          const float v = x[i * predicted.genes() + gene[g]];
          prediction.cells.push_back(v);
          prediction.mean[g] += static_cast<double>(v) / static_cast<double>(cells.size());
        }
      if (stated != means.end())
        for (std::size_t g = 0; g < real.genes(); ++g)
          prediction.mean[g] = static_cast<double>(stated->second.at(gene[g]));
      stated != means.end() ? ++from_stated : ++from_cells;
      scoring.score("predicted", common.seed, fold.name, e, held_out(real, effects, e), prediction);
    }
    std::vector<std::string> have;
    for (std::size_t l = 0; l < predicted.labels.size(); ++l)
      if (!predicted.cells_of(l).empty()) have.push_back(predicted.labels[l]);
    require_input(!r.rows.empty(), o->predicted, ": has no cells of any held-out condition",
                  any_context ? "" : " in the cell types of " + real.path, "; it has ", joined(have, 6));
    r.mean_source = from_cells == 0    ? "uns/perturbine/predicted_mean"
                    : from_stated == 0 ? "mean of the cells"
                                       : "uns/perturbine/predicted_mean where stated, else mean of the cells";
    say(common, "mean metrics use: " + r.mean_source);
    scoring.finish();
    write_results(r, o->out, work, common);
  };
}

}  // namespace perturbine::cli

// inspect, simulate, split: what comes before a model.
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <tuple>

#include "cli/command.h"
#include "cli/reading.h"
#include "io/file.h"
#include "io/h5ad.h"
#include "io/simulator.h"
#include "io/split.h"
#include "kernels/core/joined.h"

namespace perturbine::cli {

void add_inspect(CLI::App& app, Common& common, std::function<void()>& action) {
  auto data = std::make_shared<DataOptions>();
  add_data_options(app, *data, true);
  action = [data, &common] {
    const Dataset set = read_data(*data, common);
    const Reading reading(data->path);
    const H5adDescription d = H5adFile(data->path, data->layer).description();
    std::size_t singles = 0, combinations = 0;
    for (const Condition& c : set.conditions) c.parts.size() == 1 ? ++singles : c.parts.size() > 1 ? ++combinations : 0;
    const double density = static_cast<double>(set.counts.non_zeros()) /
                           (static_cast<double>(set.cells()) * static_cast<double>(set.genes()));
    if (common.json) {
      nlohmann::ordered_json j{{"schema", "perturbine.inspect/1"},
                               {"path", d.path},
                               {"cells", set.cells()},
                               {"genes", set.genes()},
                               {"matrix", d.matrix},
                               {"format", d.format == H5adDescription::Format::csr   ? "csr"
                                          : d.format == H5adDescription::Format::csc ? "csc"
                                                                                     : "dense"},
                               {"non_zero_share", density},
                               {"control_cells", set.cells_of(0).size()},
                               {"singles", singles},
                               {"combinations", combinations},
                               {"contexts", set.contexts},
                               {"library_size", set.library_size_source},
                               {"simulated", set.simulated},
                               {"conditions", nlohmann::ordered_json::object()}};
      for (std::size_t l = 0; l < set.labels.size(); ++l) j["conditions"][set.labels[l]] = set.cells_of(l).size();
      std::printf("%s\n", j.dump(1).c_str());
      return;
    }
    std::printf(
        "%s\n  %zu cells, %zu genes; %s is %s, %.1f %% of it not zero\n  %zu control cells, %zu single perturbations, "
        "%zu combinations, %zu context(s)\n  library size: %s\n",
        d.path.c_str(), set.cells(), set.genes(), d.matrix.c_str(),
        d.format == H5adDescription::Format::csr   ? "CSR"
        : d.format == H5adDescription::Format::csc ? "CSC"
                                                   : "dense",
        100 * density, set.cells_of(0).size(), singles, combinations, set.contexts.size(),
        set.library_size_source.c_str());
    std::printf("  obs columns: %s\n", joined(d.obs_columns).c_str());
    for (std::size_t l = 0; l < set.labels.size(); ++l)
      std::printf("  %6zu  %s\n", set.cells_of(l).size(), set.labels[l].c_str());
  };
}

void add_simulate(CLI::App& app, Common& common, std::function<void()>& action) {
  struct Options {
    std::string out, preset = "norman", like;
    std::size_t cells = 0, genes = 0, perturbations = 0, doubles = 0;
    std::optional<double> responders, rare;
    double depth = 1;
    bool force = false;
    DataOptions data;
  };
  auto o = std::make_shared<Options>();
  app.add_option("--out", o->out, "file to write (.h5ad)")->required();
  app.add_option("--preset", o->preset,
                 "norman (singles and doubles), screen (singles in three cell types), dose (singles at four doses) or "
                 "timecourse (one change over five times)")
      ->capture_default_str();
  app.add_option("--like", o->like, "take genes, library sizes, means and dispersions from this file's controls");
  app.add_option("--cells", o->cells, "cells of each perturbed condition");
  app.add_option("--genes", o->genes, "genes");
  app.add_option("--perturbations", o->perturbations, "perturbations (presets norman and screen)");
  app.add_option("--doubles", o->doubles, "combinations of two (preset norman)");
  app.add_option("--responders", o->responders, "share of cells that respond");
  app.add_option("--rare", o->rare, "share of cells that respond threefold");
  app.add_option("--depth", o->depth, "times the counts of a cell: at 20 counting hides little")->capture_default_str();
  app.add_flag("--force", o->force, "replace an existing file");
  action = [o, &common] {
    claim_output(o->out, o->force);
    SimulationSettings s = preset_settings(o->preset);
    s.seed = common.seed;
    if (o->cells != 0) s.cells_per_condition = o->cells;
    if (o->genes != 0) s.genes = o->genes;
    require_input(s.cells_per_condition <= 1000000 && s.genes <= 1000000,
                  "--cells and --genes must not exceed 1,000,000");
    if (o->perturbations != 0) {
      require_input(
          (o->preset == "norman" || o->preset == "screen") && o->perturbations >= 2 && o->perturbations <= 10000,
          "--perturbations is ", o->perturbations, " but must be 2 to 10000, and goes with presets norman and screen");
      s.perturbations = o->perturbations;
      s.doubles = std::min(s.doubles, s.perturbations * (s.perturbations - 1) / 2);
    }
    if (o->doubles != 0) {
      const std::size_t most = s.perturbations * (s.perturbations - 1) / 2;
      require_input(o->preset == "norman" && o->doubles <= most, "--doubles is ", o->doubles, " but must be at most ",
                    most, ", and goes with preset norman");
      s.doubles = o->doubles;
    }
    require_input(o->depth > 0 && o->depth <= 1000, "--depth is ", o->depth, " but must lie between 0 and 1000");
    require_input(o->depth == 1 || o->like.empty(),
                  "--depth and --like exclude one another: library sizes are those of the file");
    s.depth = o->depth;
    for (const auto& [name, given, to] :
         {std::tuple{"--responders", o->responders, &s.responders}, std::tuple{"--rare", o->rare, &s.rare}}) {
      if (!given) continue;
      require_input(*given >= 0 && *given <= 1, name, " is ", *given, " but must lie between 0 and 1");
      *to = *given;
    }
    if (!o->like.empty()) {
      require_input(o->genes == 0, "--genes and --like exclude one another: the genes are those of the file");
      o->data.path = o->like;
      imitate(s, read_data(o->data, common));
    }
    const Simulator simulator(s);
    const H5adContents contents = simulator.data_set(common.threads);
    write_h5ad(o->out, contents);
    say(common, text("wrote ", contents.matrix.rows, " simulated cells, ", s.genes, " genes, ",
                     simulator.conditions().size(), " conditions; the truth is in uns/perturbine"));
    print_result(common, "simulate", o->out,
                 {{"preset", o->preset},
                  {"seed", common.seed},
                  {"cells", contents.matrix.rows},
                  {"genes", s.genes},
                  {"conditions", simulator.conditions().size()}});
  };
}

void add_split(CLI::App& app, Common& common, std::function<void()>& action) {
  struct Options {
    DataOptions data;
    SplitOptions split;
    std::string out;
    bool force = false;
  };
  auto o = std::make_shared<Options>();
  add_data_options(app, o->data, true);
  app.add_option("--kind", o->split.kind, "random, cells, doubles, leave-one-out, k-fold or leave-covariate-out")
      ->required();
  app.add_option("--folds", o->split.folds, "folds of k-fold")->capture_default_str();
  app.add_option("--of", o->split.of,
                 "what leave-one-out and k-fold hold out: all conditions, singles, doubles, or pairs "
                 "of condition and cell type")
      ->capture_default_str();
  app.add_option("--fraction", o->split.fraction, "share to hold out")->capture_default_str();
  app.add_option("--by", o->split.by, "cell_type or batch, for leave-covariate-out")->capture_default_str();
  app.add_option("--enough-cells", o->split.enough_cells,
                 "groups held-out conditions that stand in no other group: few_cells with fewer cells than this, else "
                 "enough_cells");
  app.add_option("--out", o->out, "file to write (.json)")->required();
  app.add_flag("--force", o->force, "replace an existing file");
  action = [o, &common] {
    claim_output(o->out, o->force);
    o->split.seed = common.seed;
    const Dataset data = read_data(o->data, common);
    const auto folds = make_split(data, o->split);
    for (const SplitLists& f : folds) apply_split(f, data);  // what we write we accept
    write_text(o->out, split_text(o->split.kind, folds));
    std::size_t test = 0;
    for (const SplitLists& f : folds) test += f.test.size();
    say(common, text(folds.size(), " fold(s), ", test, " test entries in all"));
    print_result(common, "split", o->out,
                 {{"kind", o->split.kind}, {"seed", common.seed}, {"folds", folds.size()}, {"test_entries", test}});
  };
}

}  // namespace perturbine::cli

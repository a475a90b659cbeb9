// Simulated Perturb-seq data with known truth: a gene network with saturating response, heterogeneous cells, library
// sizes, overdispersion. Everything follows from the settings and the seed, so that the truth can be sampled again.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/condition.h"
#include "io/h5ad.h"

namespace perturbine {

struct SimulationSettings {
  /// norman: singles and doubles in one line; screen: singles in three cell types; dose: singles at several doses;
  /// timecourse: one programme of change seen at several times
  std::string preset = "norman";
  std::uint64_t seed = 1;
  std::size_t genes = 500, programs = 12, perturbations = 20, doubles = 16, cell_types = 1, batches = 2;
  std::size_t cells_per_condition = 90, control_cells = 150;
  double responders = .85, rare = .03;  // shares of cells that respond, and that respond threefold
  double depth = 1;                     // times the counts of a cell, where library sizes are not given
  double strength = 1;                  // of all perturbations
  double saturation = 1.1;              // of a program's activity: |activity| stays below it
  double batch_effect = .05;
  std::vector<double> doses;  // of each perturbation; empty: all at dose 1
  /// Of a time course: conditions `hour6` ... are P1 at dose 3 (1 - exp(-t / 8)) and P2 at dose 3 (1 - exp(-t / 30)),
  /// control at time 0. Empty: no time course.
  std::vector<double> times;
  /// From a real file's controls (--like): per gene mean share of the library and inverse dispersion, and library
  /// sizes.
  std::vector<std::string> gene_names;
  std::vector<double> share, theta, library_sizes;
};

SimulationSettings preset_settings(const std::string& preset);
/// Genes, shares, dispersions and library sizes of the controls of a real file.
void imitate(SimulationSettings& settings, const struct Dataset& data);

class Simulator {
 public:
  explicit Simulator(SimulationSettings settings);
  const SimulationSettings& settings() const { return settings_; }
  const std::vector<std::string>& perturbation_names() const { return perturbations_; }
  const std::vector<std::string>& gene_names() const { return settings_.gene_names; }
  /// The conditions of the data set, control first.
  const std::vector<Condition>& conditions() const { return conditions_; }

  struct Cell {
    std::vector<float> counts;  // [genes]
    double library_size = 0;
    bool responds = false, rare = false;
  };
  /// Cell `number` of a condition in a cell type and batch; the same number gives the same cell.
  Cell sample(const Condition& condition, std::size_t cell_type, std::size_t batch, std::uint64_t number) const;
  /// Mean of log1p(10,000 count / library size) over `cells` cells of the truth, batches in turn.
  std::vector<double> mean(const Condition& condition, std::size_t cell_type, std::size_t cells) const;

  /// The whole data set, with the truth beside it: uns/perturbine/{truth_labels, truth_mean, truth_interaction,
  /// settings}. By `threads` threads, 0: one per core; they change nothing but the time.
  H5adContents data_set(int threads = 0) const;

 private:
  std::vector<double> activity(const Condition& condition, double strength) const;
  /// Of a time course the perturbations a time stands for; else the condition itself.
  Condition resolved(const Condition& condition) const;
  SimulationSettings settings_;
  std::vector<std::string> perturbations_;
  std::vector<Condition> conditions_;
  std::vector<double> loading_;       // [programs, genes]
  std::vector<double> effect_;        // [perturbations, programs]
  std::vector<double> coupling_;      // [programs, programs]: one program drives others
  std::vector<double> cycle_;         // [2, genes]
  std::vector<double> type_offset_;   // [cell_types, genes]
  std::vector<double> batch_offset_;  // [batches, genes]
};

/// The simulator that made a file, from the settings stored in it: its truth can be sampled again. Throws InputError if
/// the file was not made by the simulator.
Simulator read_simulation(const std::string& path);

}  // namespace perturbine

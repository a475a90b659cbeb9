// A simulation written to a file and read again, some conditions kept from training.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "evaluation/benchmark.h"
#include "io/simulator.h"

namespace perturbine::testing_simulation {

struct Simulation {
  Simulator truth;
  Dataset data;
  TrainingData train;  // everything but the conditions held out
  Simulation(const SimulationSettings& settings, const std::vector<std::string>& held_out) : truth(settings) {
    const std::string path = testing::TempDir() + "simulated_" + settings.preset + ".h5ad";
    write_h5ad(path, truth.data_set());
    DataOptions o;
    o.path = path;
    data = read_dataset(o);
    SplitLists lists;
    lists.rest = "train";
    for (const std::string& label : held_out) lists.test.push_back({label, "", "", {}});
    train = data_for_models(data, apply_split(lists, data));
  }
};

}  // namespace perturbine::testing_simulation

// One unit of a benchmark: a model with one seed on one fold, trained, asked and scored.
#pragma once
#include <functional>
#include <memory>

#include "evaluation/benchmark.h"
#include "evaluation/finished_units.h"
#include "io/simulator.h"
#include "models/backbone.h"

namespace perturbine {

struct BenchmarkUnit {
  const Dataset& data;
  const EvaluationSpace& space;
  const Fold& fold;
  const TrainingData& train;
  const std::vector<HeldOut>& truths;  // of the fold's test entries
  std::string model;                   // or a variant of one
  const TrainingOptions& training;     // those of the model's variant, with the unit's seed
  std::size_t cells = 400;
  std::shared_ptr<const Backbone> backbone;         // of the fold and these options, where the model builds on one
  const Simulator* simulator = nullptr;             // for true-sampler
  std::function<bool(std::size_t entry)> pictured;  // whether the page shows this test entry
};
UnitScores run_unit(Queue& queue, const BenchmarkUnit& unit);

/// What the page draws of an entry.
ConditionPicture picture(const std::string& model, const Fold::Entry& entry, const HeldOut& truth,
                         const UnitScores::Entry& scores, const EvaluationSpace& space);

}  // namespace perturbine

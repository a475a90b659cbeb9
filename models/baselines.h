// The baselines: closed-form means, with real cells moved, reweighed or thinned to meet them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"

namespace perturbine {

/// Names of the baselines, in the order of tables.
const std::vector<std::string>& baseline_names();
/// Null for a name that is none of them.
std::unique_ptr<Model> make_baseline(const std::string& name);

}  // namespace perturbine

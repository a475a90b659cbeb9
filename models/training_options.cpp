#include "models/training_options.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/core/joined.h"

namespace perturbine {
namespace {

struct Check {
  template <class T>
  void operator()(const char* name, const T& value, const char*, const NumberRange& r) const {
    const double v = static_cast<double>(value);
    require_input(std::isfinite(v) && v >= r.low && (r.open ? v < r.high : v <= r.high), "--", name, " is ", v,
                  " but must lie between ", r.low, " and ", r.high);
  }
  void operator()(const char* name, const std::optional<double>& value, const char* meaning,
                  const NumberRange& r) const {
    if (value) (*this)(name, *value, meaning, r);
  }
  void operator()(const char* name, const std::string& value, const char*, const Words& words) const {
    require_input(std::find(words.begin(), words.end(), value) != words.end(), "--", name, " is '", value,
                  "' but must be one of ", joined(words));
  }
};

}  // namespace

void check_training_options(const TrainingOptions& o) { visit_training_options(o, Check{}); }

std::string options_text(const TrainingOptions& o) {
  std::string s;
  auto line = [&](const char* name, const nlohmann::json& value) {
    s += std::string(name) + " = " + value.dump() + "\n";
  };
  visit_training_options(o, [&]<class T>(const char* name, const T& value, const char*, const auto&) {
    if constexpr (std::is_same_v<T, std::optional<double>>)
      line(name, value ? nlohmann::json(*value) : nlohmann::json("auto"));
    else
      line(name, value);
  });
  line("seed", o.seed);
  return s;
}

TrainingOptions options_from_text(const std::string& text_form) {
  nlohmann::json j;
  std::istringstream in(text_form);
  for (std::string line; std::getline(in, line);)
    if (const auto eq = line.find(" = "); eq != std::string::npos)
      j[line.substr(0, eq)] = nlohmann::json::parse(line.substr(eq + 3));
  TrainingOptions o;
  visit_training_options(o, [&]<class T>(const char* name, T& value, const char*, const auto&) {
    const nlohmann::json& given = j.at(name);
    if constexpr (std::is_same_v<T, std::optional<double>>) {
      if (given.is_number()) value = given.get<double>();
    } else {
      value = given.get<T>();
    }
  });
  o.seed = j.at("seed");
  return o;
}

}  // namespace perturbine

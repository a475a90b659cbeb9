#include "evaluation/finished_units.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/file.h"

namespace perturbine {

std::string FinishedUnits::path(const std::string& key) const {
  return folder_ + "/" + sha256(key.data(), key.size()).substr(0, 32) + ".json";
}

std::optional<UnitScores> FinishedUnits::load(const std::string& key) const {
  std::error_code code;
  if (folder_.empty() || !std::filesystem::exists(path(key), code)) return std::nullopt;
  const auto j = nlohmann::json::parse(read_text(path(key)), nullptr, false);
  if (j.is_discarded() || j.value("key", "") != key) return std::nullopt;
  UnitScores scores;
  try {
    scores.loss = j.at("loss").get<std::vector<float>>();
    scores.validation = j.at("validation").get<std::vector<float>>();
    for (const auto& e : j.at("entries")) {
      UnitScores::Entry entry{e.at("number"), e.at("mean"),        {},
                              e.at("pit"),    e.at("real_cells"),  e.at("generated_cells"),
                              e.at("genes"),  e.at("real_values"), e.at("generated_values")};
      for (const auto& v : e.at("values"))
        entry.values.push_back({v.at(0), v.at(1).is_null() ? std::nan("") : v.at(1).get<double>(), v.at(2)});
      scores.entries.push_back(std::move(entry));
    }
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return scores;
}

void FinishedUnits::store(const std::string& key, const UnitScores& scores) const {
  if (folder_.empty()) return;
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
  require(!code, folder_, ": cannot be made: ", code.message());
  nlohmann::json j{
      {"key", key}, {"entries", nlohmann::json::array()}, {"loss", scores.loss}, {"validation", scores.validation}};
  for (const UnitScores::Entry& e : scores.entries) {
    nlohmann::json values = nlohmann::json::array();
    for (const MetricValue& v : e.values) values.push_back({v.metric, v.value, v.status});  // NaN is written as null
    j["entries"].push_back({{"number", e.number},
                            {"mean", e.mean},
                            {"values", values},
                            {"pit", e.pit},
                            {"real_cells", e.real_cells},
                            {"generated_cells", e.generated_cells},
                            {"genes", e.genes},
                            {"real_values", e.real_values},
                            {"generated_values", e.generated_values}});
  }
  write_text(path(key), j.dump());
}

}  // namespace perturbine

// Labels of conditions, one a line: a canonical label is read as the condition that it was made of.
#include <sstream>

#include "io/condition.h"
#include "tests/fuzz/fuzzer.h"

using namespace perturbine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  std::vector<std::string> labels;
  for (std::string line; std::getline(in, line);) labels.push_back(line);
  const std::vector<std::string> no_guide{"scramble"};
  const auto check = [&](const Condition& c) {
    const std::string label = canonical_label(c);
    fuzzing::promise(!label.empty() && c.is_control() == (label == control_label), "only the control is called so");
    fuzzing::promise(parse_condition(label) == c, "a canonical label is the condition's");
  };
  for (const std::string& label : labels) fuzzing::accepted([&] { check(parse_condition(label, no_guide)); });
  fuzzing::accepted([&] {
    std::vector<std::string> divided;
    for (const auto& [label, condition] : parse_labels(labels, no_guide, &divided)) check(condition);
    for (const std::string& label : labels) near_spellings(label, labels);
  });
  return 0;
}

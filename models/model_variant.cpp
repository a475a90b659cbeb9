#include "models/model_variant.h"

#include <charconv>
#include <sstream>

#include "kernels/core/error.h"

namespace perturbine {
namespace {

template <class T>
void read_number(const std::string& variant, const std::string& option, const std::string& given, T& value) {
  const char* end = given.data() + given.size();
  const auto [at, code] = std::from_chars(given.data(), end, value);
  require_input(code == std::errc{} && at == end, "model '", variant, "': ", option, " is '", given,
                "' but must be a number");
}

void set_option(const std::string& variant, const std::string& option, const std::string& given, TrainingOptions& o) {
  bool known = false;
  visit_training_options(o, [&]<class T>(const char* name, T& value, const char*, const auto&) {
    if (option != name) return;
    known = true;
    if constexpr (std::is_same_v<T, std::string>) {
      value = given;
    } else if constexpr (std::is_same_v<T, std::optional<double>>) {
      value.reset();
      if (given != "auto") read_number(variant, option, given, value.emplace());
    } else {
      read_number(variant, option, given, value);
    }
  });
  require_input(known, "model '", variant, "': '", option, "' is no option of training (perturbine train --help)");
}

}  // namespace

std::string model_of_variant(const std::string& name) { return name.substr(0, name.find(':')); }

ModelVariant parse_variant(const std::string& name, const TrainingOptions& base) {
  ModelVariant v{model_of_variant(name), base};
  if (v.model.size() == name.size()) return v;
  std::istringstream in(name.substr(v.model.size() + 1));
  std::size_t options = 0;
  for (std::string part; std::getline(in, part, ':'); ++options) {
    const auto equals = part.find('=');
    require_input(equals != std::string::npos && equals > 0, "model '", name, "': '", part,
                  "' is not of the form option=value");
    set_option(name, part.substr(0, equals), part.substr(equals + 1), v.options);
  }
  require_input(options > 0, "model '", name, "': nothing stands behind the colon");
  try {
    check_training_options(v.options);
  } catch (const InputError& e) {
    throw InputError(text("model '", name, "': ", e.what()));
  }
  return v;
}

}  // namespace perturbine

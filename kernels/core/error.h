// What went wrong, where, and what to do: the one family of exceptions of the library.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace perturbine {

/// Concatenates its arguments as text: text("row ", 3) == "row 3".
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Something failed at run time (a device, a full disk, a broken promise of an operation).
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller's input is wrong: a file, an option, a name. The command line maps it to exit code 2.
class InputError : public Error {
 public:
  using Error::Error;
};

/// Throws Error with the concatenated parts unless `condition` holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw Error(text(parts...));
}

/// Throws InputError with the concatenated parts unless `condition` holds.
template <class... Parts>
void require_input(bool condition, const Parts&... parts) {
  if (!condition) throw InputError(text(parts...));
}

}  // namespace perturbine

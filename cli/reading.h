// Reading files that may be damaged. Debian's HDF5 trusts what a file says of itself and may crash on a lie; io checks
// all it can before, and what is left ends in one clear line here.
#pragma once
#include <csignal>
#include <iterator>
#include <string>

namespace perturbine::cli {

/// While one lives, a crash of this process ends it with exit code 2 and a line that names the file. One at a time.
class Reading {
 public:
  explicit Reading(const std::string& path);
  ~Reading();
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  static constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
  struct sigaction before_[std::size(signals)];
};

}  // namespace perturbine::cli

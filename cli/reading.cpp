#include "cli/reading.h"

#include <unistd.h>

#include <array>
#include <cstddef>

namespace perturbine::cli {
namespace {

// What the handler needs must be there before it runs: it may neither allocate nor wait.
std::string message;
std::array<char, 65536> stack;

void end_with_message(int) {
  const char* at = message.data();
  for (std::size_t left = message.size(); left > 0;) {
    const ssize_t n = write(STDERR_FILENO, at, left);
    if (n <= 0) break;
    at += n, left -= static_cast<std::size_t>(n);
  }
  _exit(2);
}

}  // namespace

Reading::Reading(const std::string& path) {
  message = "perturbine: " + path +
            ": the HDF5 library crashed while reading it; the file is damaged, or made to look like one it is not\n";
  const stack_t own{stack.data(), 0, stack.size()};  // the crash may be a stack that is full
  sigaltstack(&own, nullptr);
  struct sigaction handler {};
  handler.sa_handler = &end_with_message;
  handler.sa_flags = SA_ONSTACK;
  for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &handler, &before_[i]);
}

Reading::~Reading() {
  for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before_[i], nullptr);
}

}  // namespace perturbine::cli

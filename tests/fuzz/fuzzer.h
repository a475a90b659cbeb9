// What the fuzzers share. A reader may refuse its input by an InputError, and nothing else: whatever else it throws,
// and every promise that does not hold, ends the run with the input kept.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "kernels/core/error.h"

namespace perturbine::fuzzing {

/// The path of a file of this process that holds `bytes`; the same name is the same file.
inline std::string file_with(const std::string& name, const char* bytes, std::size_t size) {
  static const std::string folder = [] {
    const char* in = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string path = std::string(in) + "/perturbine_fuzz_" + std::to_string(getpid());
    std::filesystem::create_directories(path);
    std::atexit([] {
      std::error_code ignored;
      for (const char* of : {"/dev/shm", "/tmp"})
        std::filesystem::remove_all(std::string(of) + "/perturbine_fuzz_" + std::to_string(getpid()), ignored);
    });
    return path;
  }();
  std::string path = folder + "/" + name;
  std::ofstream(path, std::ios::binary).write(bytes, static_cast<std::streamsize>(size));
  return path;
}

/// Whether `read` accepts its input.
template <class Read>
bool accepted(Read&& read) {
  try {
    read();
    return true;
  } catch (const InputError&) {
    return false;
  }
}

inline void promise(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "a promise does not hold: %s\n", what);
  std::abort();
}

}  // namespace perturbine::fuzzing

// What a measurement must name beside its figures: the processor and the day.
#pragma once
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace perturbine {

inline std::string today() {
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::localtime(&now));
  return date;
}

/// The processor as the system names it, with its last cache.
inline std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) {
      std::string name = line.substr(line.find(':') + 2);
#if defined(_SC_LEVEL3_CACHE_SIZE)
      name += ", last cache " + std::to_string(sysconf(_SC_LEVEL3_CACHE_SIZE) >> 20) + " MiB";
#endif
      return name;
    }
  return "cpu";
}

}  // namespace perturbine

// What stands in a bundle's bin/ under every program's name: starts the build of that program that suits this
// processor, lib/LEVEL/NAME, with the bundle's own libraries. Static and for any x86-64, as it must run everywhere.
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct Level {
  const char* name;
  bool runs;
};

/// Where this program lies: /proc tells; without it the name it was called by, looked up on the path as a shell does.
std::string own_path(const char* called) {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n > 0) return {path, static_cast<std::size_t>(n)};
  std::string found = called;
  if (std::strchr(called, '/') == nullptr) {
    const char* folders = std::getenv("PATH");
    for (std::string rest = folders == nullptr ? "" : folders; !rest.empty();) {
      const std::size_t end = rest.find(':');
      const std::string candidate = rest.substr(0, end) + "/" + called;
      if (access(candidate.c_str(), X_OK) == 0) {
        found = candidate;
        break;
      }
      rest = end == std::string::npos ? "" : rest.substr(end + 1);
    }
  }
  return realpath(found.c_str(), path) != nullptr ? path : found;
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

int main(int, char** arguments) {
  __builtin_cpu_init();
  // What tells the levels apart; no processor has these of a level and lacks its others.
  const bool v2 = __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  const bool v3 = v2 && __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                  __builtin_cpu_supports("bmi2") != 0;
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                  __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                  __builtin_cpu_supports("avx512vl") != 0;
  const Level levels[] = {{"x86-64-v4", v4}, {"x86-64-v3", v3}, {"x86-64-v2", v2}};
  const std::string self = own_path(arguments[0]), name = self.substr(self.rfind('/') + 1);
  const std::string library = parent(parent(self)) + "/lib";
  const char* before = std::getenv("LD_LIBRARY_PATH");
  const std::string search = library + (before == nullptr || *before == 0 ? "" : std::string(":") + before);
  const char* wanted = std::getenv("PERTURBINE_CPU_LEVEL");
  bool known = wanted == nullptr;
  for (const Level& level : levels) {
    if (wanted != nullptr && std::strcmp(wanted, level.name) != 0) continue;
    known = true;
    if (!level.runs) {
      if (wanted == nullptr) continue;
      std::fprintf(stderr, "%s: PERTURBINE_CPU_LEVEL is %s, which this processor does not run\n", name.c_str(), wanted);
      return 2;
    }
    const std::string program = library + "/" + level.name + "/" + name;
    if (access(program.c_str(), X_OK) != 0) continue;
    setenv("LD_LIBRARY_PATH", search.c_str(), 1);
    execv(program.c_str(), arguments);
    std::fprintf(stderr, "%s: %s cannot be started: %s\n", name.c_str(), program.c_str(), std::strerror(errno));
    return 1;
  }
  if (!known)
    std::fprintf(stderr, "%s: PERTURBINE_CPU_LEVEL is '%s' but must be x86-64-v2, x86-64-v3 or x86-64-v4\n",
                 name.c_str(), wanted);
  else if (!levels[2].runs)
    std::fprintf(stderr, "%s: this processor lacks SSE4.2 (x86-64-v2), without which nothing here runs\n",
                 name.c_str());
  else
    std::fprintf(stderr, "%s: %s has no build of it for %s; unpack the archive again, whole\n", name.c_str(),
                 library.c_str(), wanted == nullptr ? "this processor" : wanted);
  return 2;
}

// Variants that are not linked in: the studies' CUDA code, and files of one's own.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/studies/study.h"

extern char** environ;

namespace perturbine::studies {
namespace {

namespace fs = std::filesystem;

// Runs a program with its output in a file; its exit status.
int run_program(std::vector<std::string> words, const std::string& output) {
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int started = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  require(started == 0, words[0], ": cannot be started; it is needed to compile a variant");
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

}  // namespace

bool open_cuda_variants() {
  static const bool opened = [] {
    std::error_code ignored;
    const fs::path folder = fs::canonical("/proc/self/exe", ignored).parent_path();
    const std::string file = "libperturbine_studies_cuda.so";
    for (const fs::path& path : {folder / file, folder / ".." / file, folder / ".." / "lib" / file})
      if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return true;
    return false;
  }();
  return opened;
}

void open_variant_file(const std::string& path, Device device) {
  require(fs::is_regular_file(path), path, ": no such file");
  char folder[] = "/tmp/perturbine-variant-XXXXXX";
  require(mkdtemp(folder) != nullptr, "no folder can be made under /tmp to compile ", path, " in");
  const std::string library = std::string(folder) + "/variant.so", log = std::string(folder) + "/log";
  std::vector<std::string> words;
  if (device == Device::cuda) {
    words = {"nvcc",
             "-std=c++20",
             "-O3",
             "-arch=native",
             "-shared",
             "-Xcompiler=-fPIC",
             "--extended-lambda",
             "--expt-relaxed-constexpr",
             "-I",
             PERTURBINE_SOURCE_FOLDER};
  } else {
    words = {PERTURBINE_COMPILER};
    for (const std::string& w : words_of(PERTURBINE_COMPILER_FLAGS)) words.push_back(w);
    for (const char* w : {"-std=c++20", "-O3", "-fPIC", "-shared", "-I", PERTURBINE_SOURCE_FOLDER, "-x", "c++"})
      words.emplace_back(w);
  }
  for (const std::string& w : {path, std::string("-o"), library}) words.push_back(w);
  const int status = run_program(words, log);
  std::ifstream in(log);
  const std::string said((std::istreambuf_iterator<char>(in)), {});
  void* handle = nullptr;
  const std::size_t before = registered_variants().size();
  if (status == 0) handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string reason = status == 0 && handle == nullptr ? dlerror() : "";
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  require(status == 0, path, ": does not compile:\n", said);
  require(handle != nullptr, path, ": cannot be opened: ", reason);
  require(registered_variants().size() > before, path,
          ": registers no variant; it must end with PERTURBINE_VARIANT (bench/studies/variant.h)");
  require(registered_variants().back().device == device, path,
          ": its variant is of another device; a .cu file names "
          "DeviceExecutor and runs with --device cuda or emulated, a .cpp file Cpu with --device cpu");
}

}  // namespace perturbine::studies

#include "kernels/core/module.h"

#include <dlfcn.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace perturbine {
namespace {

// The module lies beside this program or library, above it (in a bundle), in ../lib of it, or on the loader's path.
const Module* open_cuda(std::string& reason) {
  static const char* file = "libperturbine_cuda.so";
  std::vector<std::string> candidates;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&cuda_module), &self) != 0 && self.dli_fname != nullptr) {
    std::error_code ignored;
    const auto folder = std::filesystem::canonical(self.dli_fname, ignored).parent_path();
    candidates.push_back((folder / file).string());
    candidates.push_back((folder / ".." / file).string());
    candidates.push_back((folder / ".." / "lib" / file).string());
  }
  candidates.emplace_back(file);
  for (const std::string& path : candidates) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* error = dlerror();
      std::error_code ignored;
      if (std::filesystem::exists(path, ignored))
        reason = error;
      else if (reason.empty())
        reason = std::string("its module ") + file +
                 " is not beside the program (nvcc and cmake -DPERTURBINE_CUDA=ON build it)";
      continue;
    }
    auto get = reinterpret_cast<const Module* (*)()>(dlsym(handle, "perturbine_module"));
    const Module* module = get == nullptr ? nullptr : get();
    if (module == nullptr || module->version != Module::current_version) {
      reason = path + " belongs to another version of this program";
      continue;
    }
    if (module->device_count() == 0) {
      reason = "the CUDA module found no GPU";
      return nullptr;
    }
    return module;
  }
  return nullptr;
}

std::atomic<const Module*> emulated{nullptr};

}  // namespace

const Module* cuda_module(const char** reason) {
  static std::string why;
  static const Module* module = open_cuda(why);
  if (reason != nullptr) *reason = why.c_str();
  return module;
}

const Module* emulated_module() { return emulated.load(); }
void install_emulated_module(const Module* module) { emulated.store(module); }

}  // namespace perturbine

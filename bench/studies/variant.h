// A variant: another function for an operation the library has. Studies and `study --variant FILE` run variants beside
// the shipped kernel. The last lines of a file with one:
//
//   #include "bench/studies/variant.h"
//   PERTURBINE_VARIANT("film_layer_norm", "mine", DeviceExecutor, enqueue, FilmLayerNorm<float>)
//
// for enqueue(DeviceExecutor&, const FilmLayerNorm<float>&); Cpu in place of DeviceExecutor for native code.
#pragma once
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include "kernels/core/module.h"
#include "kernels/core/queue.h"

namespace perturbine::studies {

struct VariantFunction {
  std::string study, name, operation;  // operation: its type's name
  Device device;
  Module::Execute run;
};

/// Every variant of this program, and of the files it has opened, in order of registration.
std::vector<VariantFunction>& registered_variants();
bool register_variant(const char* study, const char* name, const char* operation, Device device, Module::Execute run);

template <class Executor>
constexpr Device device_of() {
  return std::is_same_v<Executor, Cpu> ? Device::cpu : std::is_same_v<Executor, Cuda> ? Device::cuda : Device::emulated;
}

/// Runs an operation as it ships, for device variants made of others: a file with a variant is linked apart from
/// kernels.
template <class Executor, class Op>
void run_shipped(Executor& executor, const Op& op) {
  const Module* of_device = std::is_same_v<Executor, Cuda> ? cuda_module() : emulated_module();
  of_device->find(typeid(Op).name())(&executor, &op);
}

}  // namespace perturbine::studies

#define PERTURBINE_JOIN_(a, b) a##b
#define PERTURBINE_JOIN(a, b) PERTURBINE_JOIN_(a, b)
#define PERTURBINE_VARIANT(study_name, variant_name, Executor, function, ...)                                   \
  namespace {                                                                                                   \
  [[maybe_unused]] const bool PERTURBINE_JOIN(variant_, __COUNTER__) = ::perturbine::studies::register_variant( \
      study_name, variant_name, typeid(__VA_ARGS__).name(), ::perturbine::studies::device_of<Executor>(),       \
      [](void* executor, const void* op) {                                                                      \
        function(*static_cast<Executor*>(executor), *static_cast<const __VA_ARGS__*>(op));                      \
      });                                                                                                       \
  }

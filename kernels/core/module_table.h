// Builds a module's table of operations from the list in kernels/operations.h.
#pragma once
#include <string_view>
#include <typeinfo>
#include <unordered_map>

#include "kernels/core/module.h"
#include "kernels/operations.h"

namespace perturbine {

template <class Executor, class Op>
void execute_erased(void* executor, const void* op) {
  Executor& e = *static_cast<Executor*>(executor);
  const Op& operation = *static_cast<const Op*>(op);
  if constexpr (requires { e.postponed; }) {
    if (e.postponed != nullptr) {
      e.postponed->push_back([operation](Executor& later) { execute(later, operation); });
      return;
    }
  }
  execute(e, operation);
}

template <class Executor>
Module::Execute find_operation(const char* name) {
  static const std::unordered_map<std::string_view, Module::Execute> table{
#define PERTURBINE_ENTRY(...) {typeid(__VA_ARGS__).name(), &execute_erased<Executor, __VA_ARGS__>},
      PERTURBINE_EACH_OPERATION(PERTURBINE_ENTRY)
#undef PERTURBINE_ENTRY
  };
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace perturbine

// Observers see every operation a Queue runs, before and after.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/core/operation.h"

namespace perturbine {

class Queue;

struct OperationRecord {
  std::string_view name;
  Cost cost;
  std::vector<Operand> operands;
};

struct Observer {
  virtual ~Observer() = default;
  virtual void before(Queue&, const OperationRecord&) {}
  virtual void after(Queue&, const OperationRecord&) {}
};

}  // namespace perturbine

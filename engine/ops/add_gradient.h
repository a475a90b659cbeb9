// For records: a gradient written where it belongs, through scratch memory where something has arrived already.
#pragma once
#include "engine/tape.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine::ops {

/// Runs `write(target)` into v's gradient; not at all where v needs none.
template <class Write>
void add_gradient(Tape& t, Var v, Write&& write) {
  if (!t.needs_gradient(v)) return;
  const Tape::Target to = t.gradient_target(v);
  if (!to.accumulate) {
    write(to.view);
    return;
  }
  const MatrixView<float> scratch = t.arena().matrix<float>(to.view.rows, to.view.columns);
  write(scratch);
  t.queue().run(Combine<float>{to.view, scratch, to.view, 1, 1});
}

/// Where an operation that always writes a gradient of v puts it: v's own memory if that is free, else scratch memory
/// that finish_gradient() adds, or nobody reads.
struct GradientMemory {
  MatrixView<float> view, sum;
};
inline GradientMemory gradient_memory(Tape& t, Var v) {
  const MatrixView<float> value = t.value(v);
  if (!t.needs_gradient(v)) return {t.arena().matrix<float>(value.rows, value.columns), {}};
  const Tape::Target to = t.gradient_target(v);
  if (!to.accumulate) return {to.view, {}};
  return {t.arena().matrix<float>(value.rows, value.columns), to.view};
}
inline GradientMemory gradient_memory(Tape& t, Parameter p) {
  const Tape::Target to = t.gradient_target(p);
  if (!to.accumulate) return {to.view, {}};
  return {t.arena().matrix<float>(to.view.rows, to.view.columns), to.view};
}
inline void finish_gradient(Tape& t, const GradientMemory& m) {
  if (m.sum.data != nullptr) t.queue().run(Combine<float>{m.sum, m.view, m.sum, 1, 1});
}

}  // namespace perturbine::ops

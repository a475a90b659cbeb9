#include "kernels/pointwise/pointwise.h"

#include "engine/ops/ops.h"
#include "kernels/residual/gated_residual.h"

namespace perturbine::ops {
namespace {

// Runs `write(target)` into v's gradient, through scratch memory where something is there already.
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

struct SiluRecord {
  Var x, y;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) { t.queue().run(Silu<float>{t.value(x), t.gradient(y), dx}); });
  }
};

struct AddRecord {
  Var a, b, y;
  void backward(Tape& t) const {
    // b takes a copy, a takes the memory itself: two owners would see one another's later sums.
    add_gradient(t, b, [&](MatrixView<float> db) { t.queue().run(Combine<float>{t.gradient(y), {}, db, 1, 0}); });
    t.pass_gradient(y, a);
  }
};

struct GatedRecord {
  Var residual, branch, gate, y;
  void backward(Tape& t) const {
    const Tape::Target dbranch = t.gradient_target(branch), dgate = t.gradient_target(gate);
    require(!dbranch.accumulate && !dgate.accumulate, "gated_residual: a branch or gate is used twice");
    t.queue().run(
        GatedResidualBackward<float>{t.gradient(y), t.value(branch), t.value(gate), dbranch.view, dgate.view});
    t.pass_gradient(y, residual);
  }
};

struct DropoutRecord {
  Var x, y;
  float rate;
  VectorView<const std::uint64_t> offset;
  std::uint64_t seed, stream;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) {
      t.queue().run(Dropout<float>{t.gradient(y), dx, offset, rate, seed, stream});
    });
  }
};

struct ScaleRowsRecord {
  Var x, y;
  VectorView<const float> factor;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) { t.queue().run(ScaleRows<float>{t.gradient(y), factor, dx}); });
  }
};

Var like(Tape& t, Var x) { return t.make(t.value(x).rows, t.value(x).columns); }

}  // namespace

Var silu(Tape& t, Var x) {
  const Var y = like(t, x);
  t.queue().run(Silu<float>{t.value(x), {}, t.value(y)});
  t.push(SiluRecord{x, y});
  return y;
}

Var add(Tape& t, Var a, Var b) {
  const Var y = like(t, a);
  t.queue().run(Combine<float>{t.value(a), t.value(b), t.value(y), 1, 1});
  t.push(AddRecord{a, b, y});
  return y;
}

Var gated_residual(Tape& t, Var residual, Var branch, Var gate) {
  const Var y = like(t, residual);
  t.queue().run(GatedResidual<float>{t.value(residual), t.value(branch), t.value(gate), t.value(y)});
  t.push(GatedRecord{residual, branch, gate, y});
  return y;
}

Var dropout(Tape& t, Var x, float rate, VectorView<const std::uint64_t> offset, std::uint64_t seed,
            std::uint64_t stream) {
  if (rate == 0) return x;
  const Var y = like(t, x);
  t.queue().run(Dropout<float>{t.value(x), t.value(y), offset, rate, seed, stream});
  t.push(DropoutRecord{x, y, rate, offset, seed, stream});
  return y;
}

Var scale_rows(Tape& t, Var x, VectorView<const float> factor) {
  const Var y = like(t, x);
  t.queue().run(ScaleRows<float>{t.value(x), factor, t.value(y)});
  t.push(ScaleRowsRecord{x, y, factor});
  return y;
}

}  // namespace perturbine::ops

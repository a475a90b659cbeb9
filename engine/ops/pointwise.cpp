#include "kernels/pointwise/pointwise.h"

#include "engine/ops/add_gradient.h"
#include "engine/ops/ops.h"
#include "kernels/residual/gated_residual.h"

namespace perturbine::ops {
namespace {

struct SiluRecord {
  Var x, y;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) { t.queue().run(Silu<float>{t.value(x), t.gradient(y), dx}); });
  }
};

struct SigmoidRecord {
  Var x, y;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) { t.queue().run(Sigmoid<float>{t.value(x), t.gradient(y), dx}); });
  }
};

struct ReverseRecord {
  Var x, y;
  float factor;
  void backward(Tape& t) const {
    add_gradient(t, x, [&](MatrixView<float> dx) { t.queue().run(Combine<float>{t.gradient(y), {}, dx, -factor, 0}); });
  }
};

struct ConcatenateRecord {
  std::vector<Var> parts;
  Var y;
  void backward(Tape& t) const {
    const MatrixView<float> dy = t.gradient(y);
    std::size_t first = 0;
    for (const Var part : parts) {
      const std::size_t columns = t.value(part).columns;
      add_gradient(t, part, [&](MatrixView<float> d) {
        t.queue().run(Combine<float>{dy.column_slice(first, columns), {}, d, 1, 0});
      });
      first += columns;
    }
  }
};

struct ParameterRecord {
  Parameter parameter;
  Var y;
  void backward(Tape& t) const {
    const Tape::Target to = t.gradient_target(parameter);
    const MatrixView<float> also = to.accumulate ? to.view : MatrixView<float>{};
    t.queue().run(Combine<float>{t.gradient(y), also, to.view, 1, 1});
  }
};

struct ChoiceRecord {
  Parameter parameter;
  Var y;
  VectorView<const std::int32_t> place;
  bool of_columns;
  void backward(Tape& t) const {
    // What was not chosen has place -1, and a gradient of zero.
    const GradientMemory to = gradient_memory(t, parameter);
    t.queue().run(of_columns ? GatherRows<float>{upright(t.gradient(y)), place, upright(to.view)}
                             : GatherRows<float>{t.gradient(y), place, to.view});
    finish_gradient(t, to);
  }
  static MatrixView<float> upright(MatrixView<float> row) { return {row.data, row.columns, 1, 1}; }
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
    const GradientMemory dbranch = gradient_memory(t, branch), dgate = gradient_memory(t, gate);
    t.queue().run(
        GatedResidualBackward<float>{t.gradient(y), t.value(branch), t.value(gate), dbranch.view, dgate.view});
    finish_gradient(t, dbranch), finish_gradient(t, dgate);
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

Var sigmoid(Tape& t, Var x) {
  const Var y = like(t, x);
  t.queue().run(Sigmoid<float>{t.value(x), {}, t.value(y)});
  t.push(SigmoidRecord{x, y});
  return y;
}

Var reverse_gradient(Tape& t, Var x, float factor) {
  const Var y = like(t, x);
  t.queue().run(Combine<float>{t.value(x), {}, t.value(y), 1, 0});
  t.push(ReverseRecord{x, y, factor});
  return y;
}

Var concatenate(Tape& t, const std::vector<Var>& parts) {
  std::size_t columns = 0, first = 0;
  for (const Var part : parts) columns += t.value(part).columns;
  const Var y = t.make(t.value(parts.at(0)).rows, columns);
  for (const Var part : parts) {
    const MatrixView<float> x = t.value(part);
    t.queue().run(Combine<float>{x, {}, t.value(y).column_slice(first, x.columns), 1, 0});
    first += x.columns;
  }
  t.push(ConcatenateRecord{parts, y});
  return y;
}

Var parameter(Tape& t, Parameter p) {
  const Var y = t.make(t.parameters().value(p).rows, t.parameters().value(p).columns);
  t.queue().run(Combine<float>{t.parameters().value(p), {}, t.value(y), 1, 0});
  t.push(ParameterRecord{p, y});
  return y;
}

Var parameter_rows(Tape& t, Parameter p, const Choice& rows) {
  const MatrixView<float> all = t.parameters().value(p);
  require(rows.place.size == all.rows, "parameter_rows: places of ", rows.place.size, " rows of ", all.rows);
  const Var y = t.make(rows.index.size, all.columns);
  t.queue().run(GatherRows<float>{all, rows.index, t.value(y)});
  t.push(ChoiceRecord{p, y, rows.place, false});
  return y;
}

Var parameter_columns(Tape& t, Parameter p, const Choice& columns) {
  const MatrixView<float> all = t.parameters().value(p);
  require(all.rows == 1 && columns.place.size == all.columns, "parameter_columns: places of ", columns.place.size,
          " columns of ", all.rows, " x ", all.columns);
  const Var y = t.make(1, columns.index.size);
  t.queue().run(GatherRows<float>{ChoiceRecord::upright(all), columns.index, ChoiceRecord::upright(t.value(y))});
  t.push(ChoiceRecord{p, y, columns.place, true});
  return y;
}

Var multiply(Tape& t, Var a, Var b) {
  const Var nothing = t.constant(t.arena().matrix<float>(t.value(a).rows, t.value(a).columns));
  t.queue().run(Combine<float>{t.value(a), {}, t.value(nothing), 0, 0});
  return gated_residual(t, nothing, a, b);
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

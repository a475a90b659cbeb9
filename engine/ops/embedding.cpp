#include "kernels/embedding/embedding.h"

#include "engine/ops/ops.h"
#include "kernels/attention/set_attention.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine::ops {
namespace {

struct SetRecord {
  Var y;
  Parameter table;
  Sets sets;
  void backward(Tape& t) const {
    const Tape::Target d = t.gradient_target(table);
    // A table used twice: the second gradient is made apart and added.
    const MatrixView<float> out = d.accumulate ? t.arena().matrix<float>(d.view.rows, d.view.columns) : d.view;
    const auto sorted = t.arena().vector<std::int32_t>(sets.index.size),
               order = t.arena().vector<std::int32_t>(sets.index.size);
    t.queue().run(SortKeys<std::int32_t>{sets.index, sorted, order});
    t.queue().run(SetEmbeddingBackward<float>{t.gradient(y), sorted, order, sets.member_row, sets.weight, out});
    if (d.accumulate) t.queue().run(Combine<float>{d.view, out, d.view, 1, 1});
  }
};

struct TimeRecord {
  Var y;
  Parameter frequency;
  VectorView<const float> time;
  void backward(Tape& t) const {
    const Tape::Target d = t.gradient_target(frequency);
    require(!d.accumulate, "time_embedding: a frequency is used twice");
    const MatrixView<float> f = t.parameters().value(frequency);
    t.queue().run(
        TimeEmbeddingBackward<float>{time, {f.data, f.columns}, t.gradient(y), {d.view.data, d.view.columns}});
  }
};

struct AttentionRecord {
  Var query, keys, values, y;
  VectorView<const std::int32_t> length;
  MatrixView<float> weights;
  std::size_t heads;
  void backward(Tape& t) const {
    // Keys and values may be constants: their gradients then go to scratch memory.
    auto target = [&](Var v) {
      if (!t.needs_gradient(v)) return t.arena().matrix<float>(t.value(v).rows, t.value(v).columns);
      const Tape::Target to = t.gradient_target(v);
      require(!to.accumulate, "set_attention: an operand is used twice");
      return to.view;
    };
    const MatrixView<float> dquery = target(query), dkeys = target(keys), dvalues = target(values);
    t.queue().run(SetAttentionBackward<float>{t.value(query), t.value(keys), t.value(values), t.gradient(y), length,
                                              weights, dquery, dkeys, dvalues, heads});
  }
};

}  // namespace

Var set_embedding(Tape& t, Parameter table, const Sets& sets, std::size_t rows) {
  const MatrixView<float> values = t.parameters().value(table);
  const Var y = t.make(rows, values.columns);
  t.queue().run(SetEmbedding<float>{values, sets.row_offsets, sets.index, sets.weight, t.value(y)});
  t.push(SetRecord{y, table, sets});
  return y;
}

Var time_embedding(Tape& t, VectorView<const float> time, VectorView<const float> frequency) {
  const MatrixView<float> y = t.arena().matrix<float>(time.size, 2 * frequency.size);
  t.queue().run(TimeEmbedding<float>{time, frequency, y});
  return t.constant(y);
}

Var time_embedding(Tape& t, VectorView<const float> time, Parameter frequency) {
  const MatrixView<float> f = t.parameters().value(frequency);
  const Var y = t.make(time.size, 2 * f.columns);
  t.queue().run(TimeEmbedding<float>{time, {f.data, f.columns}, t.value(y)});
  t.push(TimeRecord{y, frequency, time});
  return y;
}

Var set_attention(Tape& t, Var query, Var keys, Var values, VectorView<const std::int32_t> length, std::size_t heads) {
  const MatrixView<float> q = t.value(query);
  const Var y = t.make(q.rows, q.columns);
  const std::size_t set = t.value(keys).rows / std::max<std::size_t>(1, q.rows);
  const MatrixView<float> weights = t.arena().matrix<float>(q.rows, heads * set);
  t.queue().run(SetAttention<float>{q, t.value(keys), t.value(values), length, t.value(y), weights, heads});
  t.push(AttentionRecord{query, keys, values, y, length, weights, heads});
  return y;
}

}  // namespace perturbine::ops

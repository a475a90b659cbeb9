#include "engine/tape.h"

#include "kernels/pointwise/pointwise.h"

namespace perturbine {

void Tape::begin_step() {
  nodes_.clear();
  records_.clear();
  arena_.reset();
  parameters_.begin_step();
}

Var Tape::constant(MatrixView<const float> value) {
  Node node;
  node.value = {const_cast<float*>(value.data), value.rows, value.columns, value.pitch};
  node.needs_gradient = false;
  nodes_.push_back(node);
  return {nodes_.size() - 1};
}

Var Tape::input(MatrixView<const float> value) {
  const Var v = make(value.rows, value.columns);
  queue().run(Combine<float>{value, {}, nodes_[v.index].value, 1, 0});
  return v;
}

Var Tape::make(std::size_t rows, std::size_t columns) {
  Node node;
  node.value = arena_.matrix<float>(rows, columns);
  nodes_.push_back(node);
  return {nodes_.size() - 1};
}

Var Tape::slice(Var whole, std::size_t first, std::size_t count) {
  const MatrixView<float> value = nodes_[whole.index].value;
  require(first + count <= value.columns, "tape: columns ", first, " ... ", first + count, " of a matrix with ",
          value.columns);
  Node node;
  node.value = value.column_slice(first, count);
  node.parent = static_cast<std::ptrdiff_t>(whole.index);
  node.first = first;
  node.needs_gradient = nodes_[whole.index].needs_gradient;
  nodes_.push_back(node);
  return {nodes_.size() - 1};
}

MatrixView<float> Tape::gradient(Var v) const {
  const Node& n = nodes_[v.index];
  require(n.written, "tape: backward reached a matrix of ", n.value.rows, " x ", n.value.columns,
          " that no gradient was written for");
  require(n.covered == 0 || n.covered == n.value.columns, "tape: only ", n.covered, " of ", n.value.columns,
          " columns of a sliced matrix received a gradient");
  return n.gradient;
}

Tape::Target Tape::gradient_target(Var v) {
  Node& n = nodes_[v.index];
  require(n.needs_gradient, "tape: a constant was asked for its gradient");
  if (n.written) return {n.gradient, true};
  n.written = true;
  if (n.parent < 0) {
    n.gradient = arena_.matrix<float>(n.value.rows, n.value.columns);
    return {n.gradient, false};
  }
  Node& whole = nodes_[static_cast<std::size_t>(n.parent)];
  if (!whole.written) {
    whole.gradient = arena_.matrix<float>(whole.value.rows, whole.value.columns);
    whole.written = true;
  }
  whole.covered += n.value.columns;
  n.gradient = whole.gradient.column_slice(n.first, n.value.columns);
  return {n.gradient, false};
}

void Tape::pass_gradient(Var from, Var v) {
  if (!needs_gradient(v)) return;
  Node& n = nodes_[v.index];
  const MatrixView<float> g = gradient(from);
  if (!n.written && n.parent < 0) {
    n.gradient = g;
    n.written = true;
    return;
  }
  const Target to = gradient_target(v);
  if (to.accumulate)
    queue().run(Combine<float>{to.view, g, to.view, 1, 1});
  else
    queue().run(Combine<float>{g, {}, to.view, 1, 0});
}

Tape::Target Tape::gradient_target(Parameter p) {
  if (parameters_frozen_) {
    const MatrixView<float> like = parameters_.value(p);
    return {arena_.matrix<float>(like.rows, like.columns), false};
  }
  const bool before = parameters_.written(p);
  parameters_.mark_written(p);
  return {parameters_.gradient(p), before};
}

void Tape::seed_gradient(Var v, MatrixView<const float> cotangent) {
  const Target to = gradient_target(v);
  require(!to.accumulate, "tape: a matrix is seeded twice");
  queue().run(Combine<float>{cotangent, {}, to.view, 1, 0});
}

void Tape::backward() {
  for (auto r = records_.rbegin(); r != records_.rend(); ++r) (*r)->backward(*this);
}

}  // namespace perturbine

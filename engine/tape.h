// Reverse-mode differentiation, define-by-run. A Var operation runs forward at once and pushes a record; backward()
// walks the records from the last to the first. The first gradient written to a Var stores, later ones add: no
// zero-fill.
//
// Forward, backward and what is saved of an operation stand side by side in one file of engine/ops/.
#pragma once
#include <memory>
#include <vector>

#include "engine/parameters.h"

namespace perturbine {

/// A matrix on the tape.
struct Var {
  std::size_t index = 0;
};

class Tape {
 public:
  Tape(Arena& arena, Parameters& parameters) : arena_(arena), parameters_(parameters) {}

  Queue& queue() { return arena_.queue(); }
  Arena& arena() { return arena_; }
  Parameters& parameters() { return parameters_; }

  /// Forgets every Var and record; the arena is reset and every parameter counts as not written.
  void begin_step();

  /// Parameters need no gradient from here on: only inputs do. Several threads may then share the parameters.
  void freeze_parameters() { parameters_frozen_ = true; }
  bool parameters_frozen() const { return parameters_frozen_; }
  /// No backward pass will come: parameters are frozen, no records are kept, and operations without a gradient may
  /// stand in for several with one.
  void for_inference() { parameters_frozen_ = inference_ = true; }
  bool inference() const { return inference_; }

  /// A matrix that needs no gradient.
  Var constant(MatrixView<const float> value);
  /// A copy of a matrix, whose gradient is wanted.
  Var input(MatrixView<const float> value);
  /// A new Var over freshly allocated memory.
  Var make(std::size_t rows, std::size_t columns);
  /// Columns first ... first + count - 1 of `whole`. Its gradient is the same slice of the whole's gradient; every
  /// column of the whole must be covered by slices.
  Var slice(Var whole, std::size_t first, std::size_t count);

  MatrixView<float> value(Var v) const { return nodes_[v.index].value; }
  bool needs_gradient(Var v) const { return nodes_[v.index].needs_gradient; }

  /// For a record's backward pass: the gradient that has arrived at v.
  MatrixView<float> gradient(Var v) const;
  /// Where to write a gradient of v, and whether to add to what is there.
  struct Target {
    MatrixView<float> view;
    bool accumulate = false;
  };
  Target gradient_target(Var v);
  /// Hands the memory of `from`'s gradient, no longer needed, to v: if nothing has arrived at v yet it becomes v's
  /// gradient without a copy, else it is added.
  void pass_gradient(Var from, Var v);
  /// Where to write the gradient of a parameter; marks it written. Scratch memory where parameters are frozen.
  Target gradient_target(Parameter p);

  /// A record: `backward(tape)` is called once.
  template <class Record>
  void push(Record record) {
    if (inference_) return;
    records_.push_back(std::make_unique<Held<Record>>(std::move(record)));
  }

  /// Starts a backward pass from v: `cotangent` [rows, columns] is the gradient that arrives there.
  void seed_gradient(Var v, MatrixView<const float> cotangent);
  /// Gradients of the sum of all numbers that records without an outgoing gradient (losses) computed.
  void backward();

 private:
  struct Node {
    MatrixView<float> value, gradient;
    bool needs_gradient = true, written = false;
    std::ptrdiff_t parent = -1;  // of a slice
    std::size_t first = 0, covered = 0;
  };
  struct AnyRecord {
    virtual ~AnyRecord() = default;
    virtual void backward(Tape&) = 0;
  };
  template <class Record>
  struct Held final : AnyRecord {
    explicit Held(Record r) : record(std::move(r)) {}
    void backward(Tape& tape) override { record.backward(tape); }
    Record record;
  };

  Arena& arena_;
  Parameters& parameters_;
  bool parameters_frozen_ = false, inference_ = false;
  std::vector<Node> nodes_;
  std::vector<std::unique_ptr<AnyRecord>> records_;
};

}  // namespace perturbine

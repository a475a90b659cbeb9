// Memory of one step: bump-allocated and reset each step, so that addresses repeat from the second step on. That is the
// precondition of a captured graph and of bitwise repetition.
#pragma once
#include <memory>
#include <vector>

#include "kernels/core/queue.h"

namespace perturbine {

class Arena {
 public:
  explicit Arena(Queue& queue) : queue_(queue) {}

  /// Uninitialised memory, 64-byte aligned, valid until reset().
  template <class T>
  MatrixView<T> matrix(std::size_t rows, std::size_t columns) {
    return {static_cast<T*>(bytes(rows * columns * sizeof(T))), rows, columns, columns};
  }
  template <class T>
  VectorView<T> vector(std::size_t size) {
    return {static_cast<T*>(bytes(size * sizeof(T))), size};
  }

  /// Everything handed out becomes invalid. If the step needed several blocks they become one.
  void reset();
  /// Bytes of the largest step so far.
  std::size_t peak() const { return peak_; }
  Queue& queue() { return queue_; }

 private:
  void* bytes(std::size_t count);
  struct Block {
    std::shared_ptr<void> memory;
    std::size_t size = 0, used = 0;
  };
  Queue& queue_;
  std::vector<Block> blocks_;
  std::size_t used_ = 0, peak_ = 0;
};

/// Memory that outlives steps: an owned array on a queue's device.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Queue& queue, std::size_t size) : memory_(queue.allocate(size * sizeof(T))), size_(size) {}
  Buffer(Queue& queue, const std::vector<T>& values) : Buffer(queue, values.size()) { set(queue, values); }

  void set(Queue& queue, const std::vector<T>& values) {
    require(values.size() == size_, "a buffer of ", size_, " elements cannot take ", values.size());
    queue.upload(memory_.get(), values.data(), size_ * sizeof(T));
  }
  /// Sets the first elements and leaves the others.
  void set_first(Queue& queue, const std::vector<T>& values) {
    require(values.size() <= size_, "a buffer of ", size_, " elements cannot take ", values.size());
    queue.upload(memory_.get(), values.data(), values.size() * sizeof(T));
  }
  std::vector<T> get(Queue& queue) const {
    std::vector<T> values(size_);
    queue.read(values.data(), memory_.get(), size_ * sizeof(T));
    return values;
  }
  VectorView<T> view() const { return {static_cast<T*>(memory_.get()), size_}; }
  MatrixView<T> matrix(std::size_t rows, std::size_t columns) const {
    require(rows * columns <= size_, "a buffer of ", size_, " elements is too small for ", rows, " x ", columns);
    return {static_cast<T*>(memory_.get()), rows, columns, columns};
  }
  std::size_t size() const { return size_; }

 private:
  std::shared_ptr<void> memory_;
  std::size_t size_ = 0;
};

}  // namespace perturbine

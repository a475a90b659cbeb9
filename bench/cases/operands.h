// Operand memory of one case: named buffers with deterministic random contents, on any device, in any element type.
//
// The same case is built twice: in the type under test, and in double for the oracle. Contents depend on the operand's
// name and shape alone and are rounded to the storage type first, so that both see the same numbers.
#pragma once
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/philox.h"
#include "kernels/core/queue.h"

namespace perturbine::cases {

/// How operands lie in memory: dense, or as column slices that start off alignment.
enum class Layout { dense, sliced };

/// Contents: a number from (uniform in (0, 1], standard normal).
using Fill = std::function<double(double uniform, double normal)>;
inline Fill normal(double scale = 1, double shift = 0) {
  return [=](double, double z) { return shift + scale * z; };
}
inline Fill uniform(double low, double high) {
  return [=](double u, double) { return low + (high - low) * u; };
}

template <class T>
T convert(double v) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return bfloat16(static_cast<float>(v));
  else
    return static_cast<T>(v);
}

struct Buffer {
  std::string name;
  std::size_t rows = 0, columns = 0;
  bool output = false, floating = true;
  std::function<std::vector<double>()> get;             // the payload, row by row
  std::function<void(const std::vector<double>&)> set;  // the same
};

inline std::uint64_t name_hash(std::string_view name) {
  std::uint64_t h = 1469598103934665603ull;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

/// The numbers an operand holds before the operation runs.
inline std::vector<double> contents(std::string_view name, std::size_t count, const Fill& fill) {
  std::vector<double> v(count);
  for (std::size_t i = 0; i < count; ++i) {
    float z[4];
    normal4(name_hash(name), 1, i, z);
    v[i] = fill(static_cast<double>(perturbine::uniform(philox(name_hash(name), 0, i).word[0])),
                static_cast<double>(z[0]));
  }
  return v;
}

class OperandMemory {
 public:
  /// `queue` null: host memory.
  OperandMemory(Queue* queue, Layout layout) : queue_(queue), layout_(layout) {}

  std::vector<Buffer> buffers;

  template <class E>
  MatrixView<E> add(std::string name, std::size_t rows, std::size_t columns, bool output, bool sliceable,
                    const std::vector<double>& initial) {
    const bool slice = sliceable && layout_ == Layout::sliced;
    const std::size_t offset = slice ? 1 : 0, pitch = slice ? columns + 3 : columns;
    // Exactly as long as the last element: a sanitizer sees one element too far.
    const std::size_t elements = offset + (rows == 0 ? 0 : (rows - 1) * pitch + columns);
    auto memory = queue_ != nullptr ? queue_->allocate(elements * sizeof(E)) : host_memory(elements * sizeof(E));
    E* data = static_cast<E*>(memory.get()) + offset;
    memory_.push_back(memory);
    Queue* queue = queue_;
    auto each = [=](auto&& body) {
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) body(i * columns + j, offset + i * pitch + j);
    };
    Buffer b{std::move(name), rows, columns, output, !std::is_integral_v<E>, nullptr, nullptr};
    b.get = [=] {
      std::vector<E> host(elements);
      if (queue != nullptr)
        queue->read(host.data(), memory.get(), elements * sizeof(E));
      else
        std::copy_n(static_cast<E*>(memory.get()), elements, host.data());
      std::vector<double> v(rows * columns);
      each([&](std::size_t to, std::size_t from) { v[to] = static_cast<double>(host[from]); });
      return v;
    };
    b.set = [=](const std::vector<double>& v) {
      std::vector<E> host(elements);
      each([&](std::size_t from, std::size_t to) { host[to] = convert<E>(v[from]); });
      if (queue != nullptr) {
        queue->copy(memory.get(), host.data(), elements * sizeof(E));
        queue->synchronise();
      } else {
        std::copy_n(host.data(), elements, static_cast<E*>(memory.get()));
      }
    };
    b.set(initial);
    buffers.push_back(std::move(b));
    return {data, rows, columns, pitch};
  }

 private:
  static std::shared_ptr<void> host_memory(std::size_t bytes) {
    return {::operator new (bytes == 0 ? 1 : bytes, std::align_val_t{64}),
            [](void* p) { ::operator delete (p, std::align_val_t{64}); }};
  }
  Queue* queue_;
  Layout layout_;
  std::vector<std::shared_ptr<void>> memory_;
};

/// What a case's builder uses to name its operands. T: the type under test, or double. Storage: the type whose rounding
/// the contents have.
template <class T>
class Operands {
 public:
  using A = accumulator_t<T>;
  Operands(OperandMemory& memory, std::function<double(double)> round) : memory_(memory), round_(std::move(round)) {}

  MatrixView<T> input(std::string name, std::size_t rows, std::size_t columns, const Fill& fill = normal()) {
    return memory_.add<T>(name, rows, columns, false, true, rounded(contents(name, rows * columns, fill), round_));
  }
  MatrixView<T> output(std::string name, std::size_t rows, std::size_t columns) {
    return memory_.add<T>(name, rows, columns, true, true, poison(rows * columns));
  }
  /// An output that the operation adds to.
  MatrixView<T> in_out(std::string name, std::size_t rows, std::size_t columns, const Fill& fill = normal()) {
    return memory_.add<T>(name, rows, columns, true, true, rounded(contents(name, rows * columns, fill), round_));
  }
  /// Vectors and matrices of another element type than T (float statistics, indices, ...).
  template <class E = A>
  VectorView<E> input_vector(std::string name, std::size_t size, const Fill& fill = normal()) {
    return vector_of(memory_.add<E>(name, 1, size, false, false, rounded(contents(name, size, fill), to_float)));
  }
  template <class E>
  VectorView<E> input_values(std::string name, const std::vector<double>& values) {
    return vector_of(memory_.add<E>(std::move(name), 1, values.size(), false, false, values));
  }
  template <class E = A>
  VectorView<E> output_vector(std::string name, std::size_t size) {
    return vector_of(memory_.add<E>(std::move(name), 1, size, true, false, poison(size)));
  }
  template <class E = A>
  VectorView<E> in_out_vector(std::string name, std::size_t size, const Fill& fill = normal()) {
    return vector_of(memory_.add<E>(name, 1, size, true, false, rounded(contents(name, size, fill), to_float)));
  }
  template <class E = A>
  MatrixView<E> input_matrix(std::string name, std::size_t rows, std::size_t columns, const Fill& fill = normal()) {
    return memory_.add<E>(name, rows, columns, false, true, rounded(contents(name, rows * columns, fill), to_float));
  }
  template <class E = A>
  MatrixView<E> output_matrix(std::string name, std::size_t rows, std::size_t columns) {
    return memory_.add<E>(std::move(name), rows, columns, true, true, poison(rows * columns));
  }

  /// Integer outputs start as zero.
  template <class E>
  MatrixView<E> output_words(std::string name, std::size_t rows, std::size_t columns) {
    return memory_.add<E>(std::move(name), rows, columns, true, true, std::vector<double>(rows * columns));
  }
  template <class E>
  VectorView<E> output_integers(std::string name, std::size_t size) {
    return vector_of(memory_.add<E>(std::move(name), 1, size, true, false, std::vector<double>(size)));
  }

 private:
  static double to_float(double v) { return static_cast<double>(static_cast<float>(v)); }
  static std::vector<double> rounded(std::vector<double> v, const std::function<double(double)>& round) {
    for (double& x : v) x = round(x);
    return v;
  }
  static std::vector<double> poison(std::size_t n) { return std::vector<double>(n, std::nan("")); }
  template <class E>
  static VectorView<E> vector_of(MatrixView<E> m) {
    return {m.data, m.columns};
  }
  OperandMemory& memory_;
  std::function<double(double)> round_;
};

}  // namespace perturbine::cases

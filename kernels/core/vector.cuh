// 16-byte accesses: a Vector<T> holds as many elements as one such access moves. Used where a row is aligned; the tail
// and unaligned rows go element by element.
#pragma once
#include "kernels/core/device.h"

namespace perturbine::PERTURBINE_DEVICE_NAMESPACE {

template <class T>
struct alignas(16) Vector {
  static constexpr int size = 16 / static_cast<int>(sizeof(T));
  T element[size];
};

template <class T>
__device__ __forceinline__ bool is_vector_aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

/// Calls body(j, count) so that every column of a row is covered by the threads of a block (or of any group of
/// `threads` threads): count == Vector<T>::size for whole aligned vectors, 1 for the rest. `aligned` says whether every
/// row pointer involved is 16-byte aligned.
template <class T, class Body>
__device__ __forceinline__ void for_columns(int columns, int thread, int threads, bool aligned, Body&& body) {
  constexpr int width = Vector<T>::size;
  const int whole = aligned ? columns / width : 0;
  for (int v = thread; v < whole; v += threads) body(v * width, std::integral_constant<int, width>{});
  for (int j = whole * width + thread; j < columns; j += threads) body(j, std::integral_constant<int, 1>{});
}

template <int Count, class T>
__device__ __forceinline__ void load(const T* p, float (&out)[Count]) {
  if constexpr (Count == Vector<T>::size) {
    const Vector<T> v = *reinterpret_cast<const Vector<T>*>(p);
    for (int i = 0; i < Count; ++i) out[i] = static_cast<float>(v.element[i]);
  } else {
    for (int i = 0; i < Count; ++i) out[i] = static_cast<float>(p[i]);
  }
}
template <int Count, class T>
__device__ __forceinline__ void store(T* p, const float (&in)[Count]) {
  if constexpr (Count == Vector<T>::size) {
    Vector<T> v;
    for (int i = 0; i < Count; ++i) v.element[i] = static_cast<T>(in[i]);
    *reinterpret_cast<Vector<T>*>(p) = v;
  } else {
    for (int i = 0; i < Count; ++i) p[i] = static_cast<T>(in[i]);
  }
}

}  // namespace perturbine::PERTURBINE_DEVICE_NAMESPACE

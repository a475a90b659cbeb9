// One block per row. Three passes over the row: the second and third find it in the L1 cache or registers of the L2.
#include "kernels/normalisation/film_layer_norm.h"

#include "kernels/core/formulas.h"
#include "kernels/core/reduce.cuh"
#include "kernels/core/vector.cuh"

namespace perturbine {
namespace {

using namespace PERTURBINE_DEVICE_NAMESPACE;

template <class T>
__global__ void __launch_bounds__(128) film_layer_norm_forward(FilmLayerNorm<T> op) {
  const std::size_t row = blockIdx.x;
  const T *x = op.x.row(row), *scale = op.scale.row(op.film_row(row)), *shift = op.shift.row(op.film_row(row));
  T* y = op.y.row(row);
  const int n = static_cast<int>(op.x.columns), t = static_cast<int>(threadIdx.x),
            threads = static_cast<int>(blockDim.x);
  const bool aligned =
      is_vector_aligned(x) && is_vector_aligned(scale) && is_vector_aligned(shift) && is_vector_aligned(y);

  float sum = 0;
  for_columns<T>(n, t, threads, aligned, [&](int j, auto count) {
    float v[count()];
    load<count()>(x + j, v);
    for (int i = 0; i < count(); ++i) sum += v[i];
  });
  const float mean = block_sum(sum) / static_cast<float>(n);

  float squares = 0;
  for_columns<T>(n, t, threads, aligned, [&](int j, auto count) {
    float v[count()];
    load<count()>(x + j, v);
    for (int i = 0; i < count(); ++i) squares += (v[i] - mean) * (v[i] - mean);
  });
  const float inverse = 1.0f / sqrtf(block_sum(squares) / static_cast<float>(n) + op.epsilon);

  for_columns<T>(n, t, threads, aligned, [&](int j, auto count) {
    float v[count()], a[count()], b[count()];
    load<count()>(x + j, v);
    load<count()>(scale + j, a);
    load<count()>(shift + j, b);
    for (int i = 0; i < count(); ++i) {
      const float z = (v[i] - mean) * inverse * (1.0f + a[i]) + b[i];
      v[i] = op.activate ? formulas::silu(z) : z;
    }
    store<count()>(y + j, v);
  });
  if (t == 0) {
    op.mean[row] = mean;
    op.inverse_deviation[row] = inverse;
  }
}

template <class T>
__global__ void __launch_bounds__(128) film_layer_norm_backward(FilmLayerNormBackward<T> op) {
  const std::size_t row = blockIdx.x;
  const std::size_t f = op.film_row(row);
  const T *x = op.x.row(row), *scale = op.scale.row(f), *shift = op.shift.row(f), *dy = op.dy.row(row);
  T *dx = op.dx.row(row), *dscale = op.dscale.row(row), *dshift = op.dshift.row(row);
  const int n = static_cast<int>(op.x.columns), t = static_cast<int>(threadIdx.x),
            threads = static_cast<int>(blockDim.x);
  const bool aligned = is_vector_aligned(x) && is_vector_aligned(scale) && is_vector_aligned(shift) &&
                       is_vector_aligned(dy) && is_vector_aligned(dx) && is_vector_aligned(dscale) &&
                       is_vector_aligned(dshift);
  const float mean = op.mean[row], inverse = op.inverse_deviation[row];

  // The gradient at z, and what layer norm needs of it; recomputed in the second pass rather than stored.
  auto at = [&](int j, auto count, auto&& body) {
    float v[count()], a[count()], b[count()], g[count()];
    load<count()>(x + j, v);
    load<count()>(scale + j, a);
    load<count()>(shift + j, b);
    load<count()>(dy + j, g);
    for (int i = 0; i < count(); ++i) {
      v[i] = (v[i] - mean) * inverse;
      a[i] += 1.0f;
      if (op.activate) g[i] *= formulas::silu_slope(v[i] * a[i] + b[i]);
    }
    body(v, a, g);
  };

  float sum = 0, sum_normalised = 0;
  for_columns<T>(n, t, threads, aligned, [&](int j, auto count) {
    at(j, count, [&](auto& normalised, auto& gain, auto& dz) {
      for (int i = 0; i < count(); ++i) {
        sum += dz[i] * gain[i];
        sum_normalised += dz[i] * gain[i] * normalised[i];
      }
    });
  });
  const float mean_d = block_sum(sum) / static_cast<float>(n);
  const float mean_dn = block_sum(sum_normalised) / static_cast<float>(n);

  for_columns<T>(n, t, threads, aligned, [&](int j, auto count) {
    at(j, count, [&](auto& normalised, auto& gain, auto& dz) {
      store<count()>(dshift + j, dz);
      float out[count()], old[count()];
      for (int i = 0; i < count(); ++i) out[i] = dz[i] * normalised[i];
      store<count()>(dscale + j, out);
      if (op.accumulate) load<count()>(dx + j, old);
      for (int i = 0; i < count(); ++i) {
        out[i] = inverse * (dz[i] * gain[i] - mean_d - normalised[i] * mean_dn);
        if (op.accumulate) out[i] += old[i];
      }
      store<count()>(dx + j, out);
    });
  });
}

template <class T>
void enqueue(DeviceExecutor& executor, const FilmLayerNorm<T>& op) {
  launch(film_layer_norm_forward<T>, dim3(static_cast<unsigned>(op.x.rows)), dim3(128), 0, executor, op);
}
template <class T>
void enqueue(DeviceExecutor& executor, const FilmLayerNormBackward<T>& op) {
  launch(film_layer_norm_backward<T>, dim3(static_cast<unsigned>(op.x.rows)), dim3(128), 0, executor, op);
}

}  // namespace

PERTURBINE_EXECUTE(DeviceExecutor, enqueue, FilmLayerNorm<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, FilmLayerNorm<bfloat16>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, FilmLayerNormBackward<float>)
PERTURBINE_EXECUTE(DeviceExecutor, enqueue, FilmLayerNormBackward<bfloat16>)

}  // namespace perturbine

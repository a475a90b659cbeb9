#include "kernels/embedding/embedding.h"
#include "kernels/embedding/dose_scale.h"

#include <numeric>

#include "bench/cases/cases.h"

namespace perturbine::cases {
namespace {

// Sets of 0 to 3 members over `entries` table rows, and their sorted form.
struct Sets {
  std::vector<double> offsets{0}, index, row, sorted, order;
  Sets(std::size_t rows, std::size_t entries) {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t m = 0; m < (i * 7 + 1) % 4; ++m) {
        index.push_back(static_cast<double>((i * i + 3 * m + 5) % entries));
        row.push_back(static_cast<double>(i));
      }
      offsets.push_back(static_cast<double>(index.size()));
    }
    order.resize(index.size());
    std::iota(order.begin(), order.end(), 0.0);
    std::stable_sort(order.begin(), order.end(), [&](double a, double b) {
      return index[static_cast<std::size_t>(a)] < index[static_cast<std::size_t>(b)];
    });
    for (const double o : order) sorted.push_back(index[static_cast<std::size_t>(o)]);
  }
};

}  // namespace

void embedding(CaseList& list) {
  const std::vector<Shape> time_shapes{{71, 33}, {1, 64}, {29, 1}, {256, 16}};
  // sin and cos of about a thousand radians: the argument's last bit decides what accuracy is possible.
  list.add(FloatOnly{}, "time_embedding", time_shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return TimeEmbedding<T>{o.input_vector("time", s[0], uniform(0, 1)),
                            o.input_vector("frequency", s[1], uniform(0, 1000)), o.output("y", s[0], 2 * s[1])};
  });
  list.add(FloatOnly{}, "time_embedding_backward", time_shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return TimeEmbeddingBackward<T>{o.input_vector("time", s[0], uniform(0, 1)),
                                    o.input_vector("frequency", s[1], uniform(0, 1000)), o.input("dy", s[0], 2 * s[1]),
                                    o.output_vector("dfrequency", s[1])};
  });
  list.gradient("time_embedding", "time_embedding_backward");

  const std::vector<Shape> set_shapes{{71, 229, 11}, {29, 541, 50}, {1, 64, 3}, {130, 1, 7}};  // rows, width, entries
  list.add(FloatAndBfloat16{}, "set_embedding", set_shapes, []<class T>(Operands<T>& o, const Shape& s) {
    const Sets sets(s[0], s[2]);
    return SetEmbedding<T>{o.input("table", s[2], s[1]),
                           o.template input_values<std::int32_t>("row_offsets", sets.offsets),
                           o.template input_values<std::int32_t>("index", sets.index),
                           o.input_vector("weight", sets.index.size()), o.output("y", s[0], s[1])};
  });
  auto set_backward = []<class T>(Operands<T>& o, const Shape& s) {
    const Sets sets(s[0], s[2]);
    return SetEmbeddingBackward<T>{o.input("dy", s[0], s[1]),
                                   o.template input_values<std::int32_t>("sorted", sets.sorted),
                                   o.template input_values<std::int32_t>("order", sets.order),
                                   o.template input_values<std::int32_t>("member_row", sets.row),
                                   o.input_vector("weight", sets.index.size()),
                                   o.output("dtable", s[2], s[1])};
  };
  list.add(FloatAndBfloat16{}, "set_embedding_backward", set_shapes, set_backward);
  list.add(FloatOnly{}, "set_embedding_backward", {{4096, 512, 5000}}, set_backward, {"", {}, false, true});
  list.gradient("set_embedding", "set_embedding_backward");
  // Graph mean aggregation: the set of a row is its node's neighbours, each with weight 1 / degree.
  list.add(FloatOnly{}, "set_embedding", {{11, 229, 11}, {50, 33, 50}},
           []<class T>(Operands<T>& o, const Shape& s) {
             const Sets sets(s[0], s[2]);
             std::vector<double> weight;
             for (std::size_t i = 0; i + 1 < sets.offsets.size(); ++i)
               for (double k = sets.offsets[i]; k < sets.offsets[i + 1]; ++k)
                 weight.push_back(1 / (sets.offsets[i + 1] - sets.offsets[i]));
             return SetEmbedding<T>{
                 o.input("table", s[2], s[1]), o.template input_values<std::int32_t>("row_offsets", sets.offsets),
                 o.template input_values<std::int32_t>("index", sets.index),
                 o.template input_values<accumulator_t<T>>("weight", weight), o.output("y", s[0], s[1])};
           },
           {"graph_mean"});
  for (const DoseCurve curve : {DoseCurve::sigmoid, DoseCurve::monotone, DoseCurve::log_sigmoid}) {
    const std::string variant = curve == DoseCurve::sigmoid    ? "sigmoid"
                                : curve == DoseCurve::monotone ? "monotone"
                                                               : "log_sigmoid";
    const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {64, 1}};
    auto dose = [](double u, double) { return u < .1 ? 0 : 4 * u; };
    list.add(FloatOnly{}, "dose_scale", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return DoseScale<T>{o.input("x", s[0], s[1]),
                                   o.input("parameters", s[0], formulas::dose_parameters(curve)),
                                   o.input_vector("dose", s[0], dose), o.output("y", s[0], s[1]), curve};
             },
             {variant});
    list.add(FloatOnly{}, "dose_scale_backward", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               const std::size_t count = formulas::dose_parameters(curve);
               return DoseScaleBackward<T>{o.input("x", s[0], s[1]),
                                           o.input("parameters", s[0], count),
                                           o.input("dy", s[0], s[1]),
                                           o.input_vector("dose", s[0], dose),
                                           o.output("dx", s[0], s[1]),
                                           o.output("dparameters", s[0], count),
                                           curve};
             },
             {variant, {1e-5, 1e-2, 2e-6}});
    list.gradient("dose_scale." + variant, "dose_scale_backward." + variant);
  }
  auto sort = []<class T>(Operands<T>& o, const Shape& s) {
    using Key = std::conditional_t<std::is_same_v<T, double>, double, std::int32_t>;
    return SortKeys<Key>{o.template input_vector<Key>("key", s[0], [](double u, double) { return std::floor(u * 50); }),
                         o.template output_integers<Key>("sorted", s[0]),
                         o.template output_integers<Key>("order", s[0])};
  };
  list.add(FloatOnly{}, "sort_keys", {{1}, {1000}, {4097}}, sort);
  list.add(FloatOnly{}, "sort_keys", {{100000}}, sort, {"", {}, false, true});
}

}  // namespace perturbine::cases

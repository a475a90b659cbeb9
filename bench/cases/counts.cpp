#include "kernels/counts/counts.h"

#include "bench/cases/cases.h"

namespace perturbine::cases {
namespace {

// About one element in ten is not zero; one row has none; counts reach into the thousands.
template <class T>
CsrView<T> counts(Operands<T>& o, const Shape& s) {
  std::vector<double> offsets{0}, columns, values;
  for (std::size_t i = 0; i < s[0]; ++i) {
    for (std::size_t j = (i * 3) % 7; j < s[1] && i % 11 != 5; j += 7 + (i + j) % 8) {
      columns.push_back(static_cast<double>(j));
      const std::size_t k = i * 31 + j * 17;
      values.push_back(static_cast<double>(k % 13 == 0 ? 40 + k % 2000 : 1 + k % 6));
    }
    offsets.push_back(static_cast<double>(columns.size()));
  }
  CsrView<T> csr;
  csr.row_offsets = o.template input_values<std::int32_t>("row_offsets", offsets);
  csr.columns = o.template input_values<std::int32_t>("columns", columns);
  csr.values = o.template input_values<T>("values", values);
  csr.rows = s[0], csr.column_count = s[1];
  return csr;
}

}  // namespace

void counts(CaseList& list) {
  const std::vector<Shape> shapes{{71, 229}, {29, 541}, {1, 64}, {64, 1}};
  list.add(FloatOnly{}, "log_normalise", shapes, []<class T>(Operands<T>& o, const Shape& s) {
    return LogNormalise<T>{counts(o, s), o.input_vector("library_size", s[0], uniform(500, 20000)),
                           o.output("y", s[0], s[1])};
  });
  for (const bool inflated : {false, true}) {
    auto build = [=](bool gradient) {
      return [=]<class T>(Operands<T>& o, const Shape& s) {
        CountLikelihood<T> op;
        op.counts = counts(o, s);
        op.mean = o.input("mean", s[0], s[1], [](double u, double z) { return .02 + u * std::exp(z); });
        if (inflated) op.zero_logit = o.input("zero_logit", s[0], s[1]);
        op.theta = o.input_vector("theta", s[1], [](double u, double) { return std::exp(8 * u - 2); });
        op.loss = o.output_vector("loss", s[0]);
        if (gradient) {
          op.dloss = o.input_vector("dloss", s[0]);
          op.dmean = o.output("dmean", s[0], s[1]);
          op.dtheta = o.output_vector("dtheta", s[1]);
          if (inflated) op.dzero_logit = o.output("dzero_logit", s[0], s[1]);
        }
        return op;
      };
    };
    const std::string variant = inflated ? "zinb" : "nb";
    // Sums over a row of terms of either sign: judged against the largest of the operand.
    const Tolerance sums{1e-5, 1e-2, 2e-6};
    list.add(FloatOnly{}, "count_likelihood", shapes, build(false), {variant, sums});
    list.add(FloatOnly{}, "count_likelihood", shapes, build(true), {variant + ".gradient", sums});
    list.gradient("count_likelihood." + variant, "count_likelihood." + variant + ".gradient");
    list.add(FloatOnly{}, "count_likelihood", {{256, 2000}}, build(true), {variant + ".gradient", sums, false, true});
  }
  for (const bool overdispersed : {false, true}) {
    list.add(FloatOnly{}, "sample_counts", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return SampleCounts<T>{
                   o.input("rate", s[0], s[1], [](double u, double z) { return u < .2 ? 0 : u * std::exp(1.5 * z); }),
                   overdispersed ? o.input_vector("theta", s[1], uniform(.3, 5)) : VectorView<accumulator_t<T>>{},
                   o.template input_values<std::uint64_t>("offset", {3}), o.output("y", s[0], s[1]), 21};
             },
             {overdispersed ? "nb" : "poisson"});
  }
}

}  // namespace perturbine::cases

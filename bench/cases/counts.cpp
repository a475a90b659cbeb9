#include "kernels/counts/counts.h"

#include "bench/cases/cases.h"
#include "kernels/counts/gaussian_latent.h"
#include "kernels/counts/library_rate.h"
#include "kernels/counts/value_likelihood.h"

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

void rates(CaseList& list, const std::vector<Shape>& shapes) {
  for (const bool softmax : {false, true}) {
    const std::string variant = softmax ? "softmax" : "exp";
    auto logits = [](double u, double z) { return u < .02 ? 90 : z - 4; };
    auto small = [](double, double z) { return z - 4; };
    auto library = uniform(500, 20000);
    auto rate = [=]<class T>(Operands<T>& o, const Shape& s) {
      return LibraryRate<T>{o.input("logits", s[0], s[1], small), o.input_vector("library_size", s[0], library),
                            o.output("rate", s[0], s[1]), softmax};
    };
    list.add(FloatOnly{}, "library_rate", shapes, rate, {variant});
    list.add(FloatOnly{}, "library_rate", {{256, 2000}}, rate, {variant, {}, false, true});
    // Of one gene the softmax is constant: there is no gradient to compare.
    const std::vector<Shape> backward_shapes = softmax ? std::vector<Shape>{{71, 229}, {29, 541}, {1, 64}} : shapes;
    list.add(FloatOnly{}, "library_rate_backward", backward_shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               // The rate is that of the forward pass, from the same logits.
               const auto x = contents("logits", s[0] * s[1], small), size = contents("library_size", s[0], library);
               std::vector<double> rates;
               for (std::size_t i = 0; i < s[0]; ++i) {
                 double sum = 0;
                 for (std::size_t j = 0; j < s[1]; ++j) sum += std::exp(x[i * s[1] + j]);
                 for (std::size_t j = 0; j < s[1]; ++j)
                   rates.push_back(size[i] * std::exp(x[i * s[1] + j]) / (softmax ? sum : 1));
               }
               std::size_t at = 0;
               return LibraryRateBackward<T>{o.input("logits", s[0], s[1], small),
                                             o.input("rate", s[0], s[1], [&](double, double) { return rates[at++]; }),
                                             o.input("drate", s[0], s[1]),
                                             o.input_vector("library_size", s[0], library),
                                             o.output("dlogits", s[0], s[1]),
                                             softmax};
             },
             {variant, {1e-5, 1e-2, 2e-6}});
    list.gradient("library_rate." + variant, "library_rate_backward." + variant);
    if (!softmax) {  // logits beyond what a float's exponential holds, and a level of one's own
      list.add(FloatOnly{}, "library_rate", {{29, 541}},
               [=]<class T>(Operands<T>& o, const Shape& s) {
                 return LibraryRate<T>{o.input("logits", s[0], s[1], logits),
                                       o.input_vector("library_size", s[0], uniform(0, 1)),
                                       o.output("rate", s[0], s[1]), false};
               },
               {"capped", {1e-5, 1e-2, 1e-6}});
      list.add(FloatOnly{}, "library_rate", {{29, 541}},
               []<class T>(Operands<T>& o, const Shape& s) {
                 return LibraryRate<T>{o.input("logits", s[0], s[1], normal(2)),
                                       o.input_vector("library_size", s[0], uniform(1, 3)),
                                       o.output("rate", s[0], s[1]), false, accumulator_t<T>(.5)};
               },
               {"most"});
      list.add(FloatOnly{}, "library_rate_backward", {{29, 541}},
               []<class T>(Operands<T>& o, const Shape& s) {
                 return LibraryRateBackward<T>{o.input("logits", s[0], s[1], normal(2)),
                                               o.input("rate", s[0], s[1]),
                                               o.input("drate", s[0], s[1]),
                                               o.input_vector("library_size", s[0], uniform(1, 3)),
                                               o.output("dlogits", s[0], s[1]),
                                               false,
                                               accumulator_t<T>(.5)};
               },
               {"most"});
    }
  }
}

void values(CaseList& list, const std::vector<Shape>& shapes) {
  for (const bool log_normal : {false, true}) {
    auto build = [=](bool gradient) {
      return [=]<class T>(Operands<T>& o, const Shape& s) {
        ValueLikelihood<T> op;
        op.values = counts(o, s);
        op.mean = o.input("mean", s[0], s[1], normal(1, 1));
        if (log_normal) op.zero_logit = o.input("zero_logit", s[0], s[1], normal(2));
        op.log_deviation = o.input_vector("log_deviation", s[1], normal(.5, log_normal ? 0 : 3));
        op.loss = o.output_vector("loss", s[0]);
        if (gradient) {
          op.dloss = o.input_vector("dloss", s[0]);
          op.dmean = o.output("dmean", s[0], s[1]);
          op.dlog_deviation = o.output_vector("dlog_deviation", s[1]);
          if (log_normal) op.dzero_logit = o.output("dzero_logit", s[0], s[1]);
        }
        return op;
      };
    };
    const std::string variant = log_normal ? "log_normal" : "gaussian";
    const Tolerance sums{1e-5, 1e-2, 2e-6};
    list.add(FloatOnly{}, "value_likelihood", shapes, build(false), {variant, sums});
    list.add(FloatOnly{}, "value_likelihood", shapes, build(true), {variant + ".gradient", sums});
    list.gradient("value_likelihood." + variant, "value_likelihood." + variant + ".gradient");
    list.add(FloatOnly{}, "value_likelihood", {{256, 2000}}, build(true), {variant + ".gradient", sums, false, true});
  }
}

void gaussian_latents(CaseList& list, const std::vector<Shape>& shapes) {
  for (const bool backward : {false, true})
    list.add(FloatOnly{}, "reparameterise", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               return Reparameterise<T>{o.input("mean", s[0], s[1]),
                                        o.input("log_variance", s[0], s[1], normal(1, -1)),
                                        backward ? o.input("dy", s[0], s[1]) : MatrixView<T>{},
                                        o.template input_values<std::uint64_t>("offset", {11}),
                                        o.output(backward ? "dlog_variance" : "y", s[0], s[1]),
                                        404};
             },
             {backward ? "backward" : ""});
  list.gradient("reparameterise", "reparameterise.backward");
  for (const bool gradient : {false, true})
    list.add(FloatOnly{}, "gaussian_divergence", shapes,
             [=]<class T>(Operands<T>& o, const Shape& s) {
               GaussianDivergence<T> op;
               op.mean = o.input("mean", s[0], s[1]);
               op.log_variance = o.input("log_variance", s[0], s[1], normal(1, -1));
               op.prior_mean = o.input("prior_mean", s[0], s[1]);
               op.prior_log_variance = o.input_vector("prior_log_variance", s[1], normal(.5));
               op.loss = o.output_vector("loss", s[0]);
               if (!gradient) return op;
               op.dloss = o.input_vector("dloss", s[0]);
               op.dmean = o.output("dmean", s[0], s[1]), op.dlog_variance = o.output("dlog_variance", s[0], s[1]);
               op.dprior_mean = o.output("dprior_mean", s[0], s[1]);
               op.dprior_log_variance = o.output_vector("dprior_log_variance", s[1]);
               return op;
             },
             {gradient ? "gradient" : "", {1e-5, 1e-2, 2e-6}});
  list.gradient("gaussian_divergence", "gaussian_divergence.gradient");
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
  rates(list, shapes), values(list, shapes), gaussian_latents(list, shapes);
}

}  // namespace perturbine::cases

#include "bench/cases/cases.h"
#include "kernels/classification/softmax_cross_entropy.h"

namespace perturbine::cases {

void classification(CaseList& list) {
  for (const bool gradient : {false, true})
    list.add(FloatOnly{}, "softmax_cross_entropy", {{71, 229}, {29, 5}, {1, 64}, {64, 2}, {130, 33}},
             [=]<class T>(Operands<T>& o, const Shape& s) {
               SoftmaxCrossEntropy<T> op;
               op.logits = o.input("logits", s[0], s[1], normal(3));
               // Labels of -1 and behind the last class are among them.
               op.label = o.template input_vector<std::int32_t>("label", s[0], [n = s[1]](double u, double) {
                 return std::floor(u * static_cast<double>(n + 1)) - 1 + (u > .98 ? 2 : 0);
               });
               op.loss = o.output_vector("loss", s[0]);
               if (gradient) {
                 op.dloss = o.input_vector("dloss", s[0]);
                 op.dlogits = o.output("dlogits", s[0], s[1]);
               }
               return op;
             },
             {gradient ? "gradient" : ""});
  list.gradient("softmax_cross_entropy", "softmax_cross_entropy.gradient");
}

}  // namespace perturbine::cases

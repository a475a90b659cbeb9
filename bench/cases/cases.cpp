#include "bench/cases/cases.h"

namespace perturbine::cases {

const CaseList& all_cases() {
  static const CaseList list = [] {
    CaseList l;
    for (auto* family : {attention, classification, counts, dense, diffusion, embedding, normalisation, optimisation,
                         pointwise, random, residual, similarity, statistics, transport})
      family(l);
    return l;
  }();
  return list;
}

}  // namespace perturbine::cases

// The families of cases; one function per file of this folder.
#pragma once
#include "bench/cases/case.h"

namespace perturbine::cases {
void attention(CaseList&);
void classification(CaseList&);
void counts(CaseList&);
void dense(CaseList&);
void diffusion(CaseList&);
void embedding(CaseList&);
void normalisation(CaseList&);
void optimisation(CaseList&);
void pointwise(CaseList&);
void random(CaseList&);
void residual(CaseList&);
void similarity(CaseList&);
void statistics(CaseList&);
void transport(CaseList&);
}  // namespace perturbine::cases

// The oracle: every operation once more, as plain double loops written from the formula. It never calls the code it
// judges; it knows the operations' structs and nothing else of them.
#pragma once

namespace perturbine::reference {
template <class Op>
void execute(const Op&);
}  // namespace perturbine::reference

#include "bench/studies/studies.h"

namespace perturbine::studies {

Study noising() {
  return {
      "noising",
      "x = alpha x0 + sigma e: is it cheaper to keep the noise e in memory or to make it again from its counter?",
      {{"diffusion_noise", "f32", {256, 2000}, {{71, 229}, {29, 541}, {64, 1}}}},
      {{"stored", true, "e was made beforehand and is read (its making not counted)",
        [](Cost least) { return least.bytes *= 1.5, least; }},
       {"one_counter", true, "four numbers from one Philox counter at a time, Box-Muller in float"},
       {"shipped", true, "16 counters side by side, 64 numbers in registers"},
       {"curand", false, "cuRAND's device functions: a generator's state made for every counter",
        [](Cost least) { return least; }, false},
       {"shipped", false, "a block a row; a thread makes four numbers from one counter"}},
      "Stored noise is read in half the time it takes to make it again, while it lies in a cache; but a training "
      "step would have to make it once anyway, write it, keep it until the loss and read it twice. Made again it "
      "costs no memory. A counter at a time would be eight times dearer: vectors are what makes it affordable.",
  };
}

}  // namespace perturbine::studies

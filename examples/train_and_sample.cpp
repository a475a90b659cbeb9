// Trains on an AnnData file and samples an unseen combination, from a program of one's own.
// Usage: train_and_sample FILE.h5ad CONDITION
#include <perturbine/perturbine.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace perturbine;
  require_input(argc == 3, "usage: train_and_sample FILE.h5ad CONDITION");
  DataOptions options;
  options.path = argv[1];
  const Dataset data = read_dataset(options);
  SplitLists everything;
  everything.rest = "train";
  Queue queue(Device::cpu);
  const auto model = make_model("diffusion");
  TrainingOptions training;
  training.steps = 200;
  model->fit(queue, training_data(data, apply_split(everything, data)), training, {});
  const Query query{parse_condition(argv[2]), 0};
  const GeneratedCells cells = model->sample(queue, query, 100, 1);
  double total = 0;
  for (const float c : cells.counts) total += static_cast<double>(c);
  std::printf("%zu cells of %s, %.1f counts each over %zu genes\n", cells.count, argv[2],
              total / static_cast<double>(cells.count), cells.genes);
} catch (const perturbine::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}

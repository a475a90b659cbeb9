// The causal VAE: starts at the backbone, latents do what their names say, operators, counterfactuals.
#include "models/causal_vae.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/models/toy.h"

namespace perturbine {
namespace {

using namespace testing_models;

// Two cell types, three batches, control, A, B and A+B in every one; 40 genes. Types differ in genes 0-9, batches in
// 10-19, A moves 20-24 and B 25-29 by the same factor in both types; two programs of cells move 30-39.
constexpr std::size_t genes = 40;
struct Crossed {
  TrainingData train, held_out;
};
double factor(std::size_t type, std::size_t batch, bool a, bool b, std::size_t g) {
  double log_rate = 1.2;
  if (g < 10) log_rate += g % 2 == type ? .7 : -.7;
  if (g >= 10 && g < 20) log_rate += g % 3 == batch ? .9 : -.5;
  if (a && g >= 20 && g < 25) log_rate += 1;
  if (b && g >= 25 && g < 30) log_rate -= 1;
  return log_rate;
}
Crossed crossed() {
  Crossed c;
  std::size_t number = 0;
  for (TrainingData* d : {&c.train, &c.held_out}) {
    d->genes = genes;
    d->contexts = {"type1", "type2"}, d->batches = {"b1", "b2", "b3"};
    for (const char* label : {"control", "A", "A+B", "B"}) d->conditions.push_back(parse_condition(label));
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t type = 0; type < 2; ++type)
        for (std::size_t i = 0; i < (k == 0 ? 150u : 75u); ++i, ++number) {
          const std::size_t batch = i % 3;
          d->condition.push_back(static_cast<std::int32_t>(k)), d->context.push_back(static_cast<std::int32_t>(type));
          d->batch.push_back(static_cast<std::int32_t>(batch));
          d->library_size.push_back(8000);
          float z[4];
          normal4(14, 0, number, z);
          for (std::size_t g = 0; g < genes; ++g) {
            double log_rate = factor(type, batch, k == 1 || k == 2, k == 2 || k == 3, g);
            if (g >= 30) log_rate += .5 * static_cast<double>(z[g % 2]);
            float u[4];
            normal4(15, number, g, u);
            const double rate = std::exp(log_rate);
            const double count = std::max(0.0, std::round(rate + std::sqrt(rate) * static_cast<double>(u[0])));
            d->expression.push_back(static_cast<float>(std::log1p(10000 * count / 8000)));
          }
        }
  }
  return c;
}

TrainingOptions options() {
  TrainingOptions o;
  o.steps = 400, o.batch_size = 128, o.hidden = 64, o.latent = 12;
  return o;
}

// Accuracy on held-out cells of a least-squares classifier of latents, fitted on training cells.
double linear_accuracy(const std::vector<float>& train, const std::vector<std::int32_t>& train_label,
                       const std::vector<float>& test, const std::vector<std::int32_t>& test_label,
                       std::size_t classes) {
  const std::size_t n = train_label.size(), width = train.size() / n;
  HostMatrix A(n, width + 1), Y(n, classes);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < width; ++k) A(i, k) = static_cast<double>(train[i * width + k]);
    A(i, width) = 1;
    Y(i, static_cast<std::size_t>(train_label[i])) = 1;
  }
  const HostMatrix W = ridge(A, Y, 1e-3);
  double right = 0;
  for (std::size_t i = 0; i < test_label.size(); ++i) {
    std::size_t best = 0;
    double best_score = -1e9;
    for (std::size_t c = 0; c < classes; ++c) {
      double score = W(width, c);
      for (std::size_t k = 0; k < width; ++k) score += W(k, c) * static_cast<double>(test[i * width + k]);
      if (score > best_score) best_score = score, best = c;
    }
    right += static_cast<std::int32_t>(best) == test_label[i] ? 1 : 0;
  }
  return right / static_cast<double>(test_label.size());
}

struct Trained : ::testing::Test {
  static void SetUpTestSuite() {
    data = new Crossed(crossed());
    queue = new Queue(test_device(), {.threads = 2});
    model = new CausalVae();
    model->fit(*queue, data->train, options(), {});
  }
  static void TearDownTestSuite() { delete model, delete queue, delete data; }
  static LatentCells latents(const TrainingData& d) { return model->encode(*queue, d.expression, d.context, d.batch); }
  static Crossed* data;
  static Queue* queue;
  static CausalVae* model;
};
Crossed* Trained::data = nullptr;
Queue* Trained::queue = nullptr;
CausalVae* Trained::model = nullptr;
using CausalVaeOnTypesAndBatches = Trained;

TEST_F(CausalVaeOnTypesAndBatches, LatentsDoWhatTheirNamesSay) {
  const LatentCells train = latents(data->train), test = latents(data->held_out);
  const auto type = [&](const std::vector<float>& a, const std::vector<float>& b) {
    return linear_accuracy(a, data->train.context, b, data->held_out.context, 2);
  };
  const auto batch = [&](const std::vector<float>& a, const std::vector<float>& b) {
    return linear_accuracy(a, data->train.batch, b, data->held_out.batch, 3);
  };
  EXPECT_GT(type(train.identity, test.identity), .95);
  EXPECT_GT(batch(train.technical, test.technical), .9);
  EXPECT_LT(type(train.state, test.state), .6);    // chance is .5
  EXPECT_LT(batch(train.state, test.state), .45);  // chance is .333
}

TEST_F(CausalVaeOnTypesAndBatches, LabelsOfHeldOutCellsAreTold) {
  const CellLabels l = model->labels(*queue, data->held_out.expression);
  double type = 0, batch = 0, perturbed = 0;
  const std::size_t n = data->held_out.cells();
  for (std::size_t i = 0; i < n; ++i) {
    const float* b = l.batch.data() + 3 * i;
    type += (l.context[2 * i + 1] > .5f) == (data->held_out.context[i] == 1) ? 1 : 0;
    batch += std::max_element(b, b + 3) - b == data->held_out.batch[i] ? 1 : 0;
    perturbed += (l.perturbed[i] > .5f) == (data->held_out.condition[i] != 0) ? 1 : 0;
  }
  EXPECT_GT(type / static_cast<double>(n), .95);
  EXPECT_GT(batch / static_cast<double>(n), .9);
  EXPECT_GT(perturbed / static_cast<double>(n), .8);  // two in three are; a linear guess
}

TEST_F(CausalVaeOnTypesAndBatches, AnEffectIsTheSameInBothTypesWhereTheTruthIs) {
  // As a change of log-rates of generated cells' mean counts.
  auto change = [&](const char* label, std::size_t type, std::size_t g) {
    auto mean = [&](const Condition& c) {
      const GeneratedCells cells = model->sample(*queue, {c, type}, 400, 3);
      double sum = 0;
      for (std::size_t i = 0; i < cells.count; ++i)
        sum += static_cast<double>(cells.counts[i * genes + g]) / cells.library_size[i];
      return std::log(sum);
    };
    return mean(parse_condition(label)) - mean({});
  };
  for (const std::size_t g : {20u, 22u, 24u}) {
    EXPECT_NEAR(change("A", 0, g), 1, .15) << g;
    EXPECT_NEAR(change("A", 1, g), 1, .15) << g;
  }
  EXPECT_NEAR(change("B", 0, 27), -1, .25);
  EXPECT_NEAR(change("B", 1, 27), -1, .25);
}

TEST_F(CausalVaeOnTypesAndBatches, CounterfactualsKeepWhoACellIsAndItsName) {
  // Perturbed cells of type 2 turned back, and control cells perturbed.
  GivenCells given;
  std::vector<std::size_t> source;
  const TrainingData& d = data->held_out;
  for (std::size_t i = 0; i < d.cells(); ++i) {
    if (d.context[i] != 1 || d.condition[i] != 1) continue;
    source.push_back(i);
    given.expression.insert(given.expression.end(), d.row(i), d.row(i) + genes);
    given.library_size.push_back(d.library_size[i]), given.batch.push_back(d.batch[i]);
    given.condition.push_back(d.conditions[1]);
  }
  given.count = source.size();
  const GeneratedCells back = model->counterfactual(*queue, {{}, 1}, given, 5);
  ASSERT_EQ(back.count, given.count);
  EXPECT_EQ(back.library_size, given.library_size);
  const auto control = model->predict_mean(*queue, {{}, 1});
  for (const std::size_t g : {1u, 8u, 21u, 23u, 33u}) {
    double mean = 0;
    for (std::size_t i = 0; i < back.count; ++i)
      mean += static_cast<double>(back.expression[i * genes + g]) / static_cast<double>(back.count);
    EXPECT_NEAR(mean, control[g], .2) << g;  // 75 cells
  }
  // A cell's program (genes 30, 32, ...) and its batch (genes 10-19) stay its own.
  auto correlation = [&](auto&& of_given, auto&& of_back) {
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    const auto n = static_cast<double>(back.count);
    for (std::size_t i = 0; i < back.count; ++i) {
      const double a = of_given(i), b = of_back(i);
      x += a / n, y += b / n, xx += a * a / n, yy += b * b / n, xy += a * b / n;
    }
    return (xy - x * y) / std::sqrt((xx - x * x) * (yy - y * y));
  };
  auto program = [](const float* row) {
    double s = 0;
    for (std::size_t g = 30; g < genes; g += 2) s += static_cast<double>(row[g] - row[g + 1]);
    return s;
  };
  EXPECT_GT(correlation([&](std::size_t i) { return program(given.expression.data() + i * genes); },
                        [&](std::size_t i) { return program(back.expression.data() + i * genes); }),
            .5);
  auto of_batch = [](const float* row) { return static_cast<double>(row[12] + row[15] + row[18] - row[10] - row[13]); };
  EXPECT_GT(correlation([&](std::size_t i) { return of_batch(given.expression.data() + i * genes); },
                        [&](std::size_t i) { return of_batch(back.expression.data() + i * genes); }),
            .5);
}

TEST_F(CausalVaeOnTypesAndBatches, OperatorsAddUpAndAreSureAccordingToTheirCells) {
  const auto effects = model->latent_effects(*queue);
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(effects[0].perturbation, "A");
  double length = 0, error = 0;
  for (std::size_t k = 0; k < effects[0].delta.size(); ++k)
    length += std::pow(effects[0].delta[k], 2), error += std::pow(effects[0].standard_error[k], 2);
  EXPECT_GT(length, 20 * error);
  // 300 controls, 150 cells of A, of A+B and of B: X'NX = [[300, 150], [150, 300]], whose inverse has 1 / 225.
  EXPECT_NEAR(perturbation_uncertainty(data->train)[0].factor, std::sqrt(1. / 300 + 1. / 225), 1e-4);
}

TEST(CausalVae, StartsAtTheBackbone) {
  const Crossed c = crossed();
  Queue queue(test_device(), {.threads = 2});
  CausalVae model;
  model.prepare(queue, c.train, options());
  for (const char* label : {"control", "A", "A+B"}) {
    const Query q{parse_condition(label), 1};
    EXPECT_EQ(model.predict_mean(queue, q), model.backbone().mean(q));
    const GeneratedCells cells = model.sample(queue, q, 400, 9);
    for (std::size_t g = 0; g < genes; g += 3) {
      double mean = 0;
      for (std::size_t i = 0; i < cells.count; ++i) mean += static_cast<double>(cells.expression[i * genes + g]) / 400;
      EXPECT_NEAR(mean, model.backbone().mean(q)[g], .12) << label << " " << g;
    }
  }
}

TEST(CausalVae, EveryDecoderTrainsAndItsCellsHaveThePredictedMean) {
  const TrainingData d = toy();
  Queue queue(test_device(), {.threads = 2});
  for (const char* likelihood :
       {"negative-binomial", "zero-inflated-negative-binomial", "zero-inflated-log-normal", "gaussian"}) {
    CausalVae model;
    TrainingOptions o = quick();
    o.likelihood = likelihood, o.steps = 200;
    std::vector<double> losses;
    model.fit(queue, d, o, [&](const TrainingProgress& p) {
      losses.push_back(p.loss);
      return true;
    });
    EXPECT_LT(losses.back(), losses.front() + 1) << likelihood;  // of one batch each
    const Query q{parse_condition("A+B"), 0};
    const auto mean = model.predict_mean(queue, q);
    const GeneratedCells cells = model.sample(queue, q, 400, 2);
    EXPECT_EQ(cells.counts.empty(), std::string(likelihood).find("binomial") == std::string::npos);
    for (std::size_t g = 0; g < d.genes; ++g) {
      double got = 0;
      for (std::size_t i = 0; i < 400; ++i) {
        ASSERT_GE(cells.expression[i * d.genes + g], 0) << likelihood;
        got += static_cast<double>(cells.expression[i * d.genes + g]) / 400;
      }
      EXPECT_NEAR(got, mean[g], .12) << likelihood << " gene " << g;
    }
  }
}

TEST(CausalVae, WeightsHaveTheSameBitsForAnyThreadCountAndAfterAStop) {
  const TrainingData d = crossed().train;
  TrainingOptions o = quick();
  o.steps = 100, o.disentangle = "hsic", o.operator_gates = "sparse", o.dose_response = "monotone", o.interactions = 3;
  auto weights = [&](int threads, bool stop) {
    Queue queue(test_device(), {.threads = threads});
    auto model = std::make_unique<CausalVae>();
    model->fit(queue, d, o, [&](const TrainingProgress& p) { return !stop || p.step != 50; });
    if (stop) {
      const auto state = model->state(queue);
      EXPECT_EQ(state.step, 50u);
      model = std::make_unique<CausalVae>();
      model->prepare(queue, d, o);
      model->set_state(queue, state);
      model->resume(queue, {});
    }
    return model->state(queue).value;
  };
  const auto one = weights(1, false);
  for (const int threads : {2, 3, 7})
    EXPECT_EQ(std::memcmp(one.data(), weights(threads, false).data(), one.size() * sizeof(float)), 0) << threads;
  EXPECT_EQ(std::memcmp(one.data(), weights(2, true).data(), one.size() * sizeof(float)), 0) << "after a stop";
}

TEST(CausalVae, OperatorsGrowWithDose) {
  // A at a quarter, half and full dose, with a response that saturates.
  TrainingData d;
  d.genes = 20, d.contexts = {""};
  for (const char* label : {"control", "A", "A:0.25", "A:0.5"}) d.conditions.push_back(parse_condition(label));
  const double response[] = {0, 1, .7, .9};
  for (std::size_t c = 0; c < 4; ++c)
    for (std::size_t i = 0; i < 100; ++i) {
      d.condition.push_back(static_cast<std::int32_t>(c)), d.context.push_back(0), d.library_size.push_back(6000);
      for (std::size_t g = 0; g < 20; ++g) {
        float u[4];
        normal4(77, c * 1000 + i, g, u);
        const double rate = std::exp(2 + (g < 5 ? 1.2 * response[c] : 0));
        const double count = std::max(0.0, std::round(rate + std::sqrt(rate) * static_cast<double>(u[0])));
        d.expression.push_back(static_cast<float>(std::log1p(10000 * count / 6000)));
      }
    }
  Queue queue(test_device(), {.threads = 2});
  for (const char* curve : {"linear", "sigmoid", "monotone"}) {
    CausalVae model;
    TrainingOptions o = quick();
    o.dose_response = curve, o.steps = 300;
    model.fit(queue, d, o, {});
    double before = -1;
    std::vector<double> seen;
    for (const char* label : {"A:0.1", "A:0.25", "A:0.5", "A:0.75", "A", "A:1.5"}) {
      double length = 0;
      for (const float s : model.operator_shift(queue, parse_condition(label))) length += static_cast<double>(s * s);
      EXPECT_GT(length, before) << curve << " " << label;
      before = length, seen.push_back(std::sqrt(length));
    }
    // Half the dose does more than half where the curve can bend.
    EXPECT_GT(seen[2], (std::string(curve) == "linear" ? .49 : .55) * seen[4]) << curve;
  }
}

TEST(CausalVae, AnInteractionStartsAtNothingAndIsLearned) {
  TrainingData d = crossed().train;
  // A+B does something of its own to genes 35-39.
  for (std::size_t i = 0; i < d.cells(); ++i)
    if (d.condition[i] == 2)
      for (std::size_t g = 35; g < genes; ++g) d.expression.edit()[i * genes + g] += 1.0f;
  Queue queue(test_device(), {.threads = 2});
  auto beyond_the_sum = [&](std::size_t steps, std::size_t rank) {
    CausalVae model;
    TrainingOptions o = options();
    o.interactions = rank, o.steps = 400;
    model.prepare(queue, d, o);
    if (steps > 0) model.resume(queue, {});
    const auto a = model.operator_shift(queue, parse_condition("A")),
               b = model.operator_shift(queue, parse_condition("B")),
               both = model.operator_shift(queue, parse_condition("A+B"));
    double length = 0;
    for (std::size_t k = 0; k < a.size(); ++k) length += std::pow(static_cast<double>(both[k] - a[k] - b[k]), 2);
    return std::sqrt(length);
  };
  EXPECT_NEAR(beyond_the_sum(0, 4), 0, 1e-5);
  EXPECT_NEAR(beyond_the_sum(400, 0), 0, 1e-5);
  EXPECT_GT(beyond_the_sum(400, 4), .1);
}

TEST(CausalVae, SparseGatesCloseWhatIsNotNeeded) {
  const TrainingData d = crossed().train;
  Queue queue(test_device(), {.threads = 2});
  auto shift = [&](const char* gates) {
    CausalVae model;
    TrainingOptions o = options();
    o.operator_gates = gates, o.steps = 1500, o.rate = 3e-3f;
    model.fit(queue, d, o, {});
    auto s = model.operator_shift(queue, parse_condition("A"));
    for (float& v : s) v = std::abs(v);
    std::sort(s.begin(), s.end());
    return s;
  };
  const auto open = shift("open"), sparse = shift("sparse");
  EXPECT_LT(sparse[4], .6f * open[4]);          // the small ones go
  EXPECT_GT(sparse.back(), .5f * open.back());  // the large one stays
}

TEST(CausalVae, ChoosesTheShareOfItsOwnMeanOnValidationConditionsAndKeepsIt) {
  // B in type 2 and A+B in both are held out for the choice.
  const TrainingData all = crossed().train;
  auto part = [&](bool validation) {
    TrainingData d;
    d.genes = all.genes, d.contexts = all.contexts, d.batches = all.batches, d.conditions = all.conditions;
    for (std::size_t i = 0; i < all.cells(); ++i) {
      const bool held_out = all.condition[i] == 2 || (all.condition[i] == 3 && all.context[i] == 1);
      if (held_out != validation) continue;
      d.condition.push_back(all.condition[i]), d.context.push_back(all.context[i]), d.batch.push_back(all.batch[i]);
      d.library_size.push_back(all.library_size[i]);
      d.expression.edit().insert(d.expression.edit().end(), all.row(i), all.row(i) + genes);
    }
    return d;
  };
  TrainingData d = part(false);
  d.validation = std::make_shared<const TrainingData>(part(true));
  Queue queue(test_device(), {.threads = 2});
  CausalVae model, loaded;
  model.fit(queue, d, options(), {});
  EXPECT_NE(model.report().back().find("3 validation conditions"), std::string::npos) << model.report().back();
  const auto state = model.state(queue);
  ASSERT_EQ(state.choices.size(), 1u);
  EXPECT_GE(state.choices[0], 0);
  EXPECT_LE(state.choices[0], 1);
  loaded.prepare(queue, d, options());
  loaded.set_state(queue, state);
  const Query q{parse_condition("A+B"), 1};
  EXPECT_EQ(loaded.predict_mean(queue, q), model.predict_mean(queue, q));
}

TEST(CausalVae, RefusesWhatItCannotDo) {
  const TrainingData d = toy();
  Queue queue(Device::cpu, {.threads = 2});
  auto refuses = [&](auto&& change, const char* word) {
    CausalVae model;
    TrainingOptions o = quick();
    change(o);
    try {
      model.prepare(queue, d, o);
      FAIL() << word;
    } catch (const InputError& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  };
  refuses([](TrainingOptions& o) { o.space = "genes"; }, "--space");
  refuses([](TrainingOptions& o) { o.batch_size = 8; }, "--batch-size");
}

}  // namespace
}  // namespace perturbine

// Samplers against known distributions, the decoder's calibration, and what the model promises.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "kernels/core/philox.h"
#include "models/diffusion.h"
#include "models/probability_flow.h"
#include "tests/models/toy.h"

namespace perturbine {
namespace {

using testing_models::quick;
using testing_models::test_device;
using testing_models::toy;

// E[x0 | xt] of a mixture of two Gaussians at +-2 with deviation .5, weights .3 and .7.
double mixture_mean(double x, double a, double s) {
  const double v = a * a * .25 + s * s;
  double total = 0, sum = 0;
  for (const auto& [w, m] : {std::pair{.3, -2.}, {.7, 2.}}) {
    const double p = w * std::exp(-.5 * (x - a * m) * (x - a * m) / v);
    total += p;
    sum += p * (m + a * .25 / v * (x - a * m));
  }
  return sum / total;
}

std::vector<double> run(SamplerKind kind, std::size_t steps, std::size_t count) {
  const auto plan = sampler_steps(ScheduleKind::cosine, kind, steps);
  std::vector<double> x(count), base, previous(count);
  for (std::size_t i = 0; i < count; ++i) {
    float z[4];
    normal4(9, 0, i, z);
    x[i] = static_cast<double>(z[0]);
  }
  base = x;
  for (std::size_t s = 0; s < plan.size(); ++s)
    for (std::size_t i = 0; i < count; ++i) {
      const double x0 = mixture_mean(x[i], plan[s].level.alpha, plan[s].level.sigma);
      float z[4];
      normal4(10, s, i, z);
      const double from = plan[s].from_start ? base[i] : x[i];
      if (!plan[s].from_start) base[i] = x[i];
      x[i] = plan[s].c[0] * from + plan[s].c[1] * x0 + plan[s].c[2] * previous[i] +
             plan[s].c[3] * static_cast<double>(z[0]);
      previous[i] = x0;
    }
  return x;
}

TEST(Samplers, AllReachTheMixture) {
  for (const auto& [kind, steps] : {std::pair{SamplerKind::ddim, 400},
                                    {SamplerKind::heun, 100},
                                    {SamplerKind::dpm_solver, 100},
                                    {SamplerKind::ancestral, 1000},
                                    {SamplerKind::euler_maruyama, 1000}}) {
    const auto x = run(kind, static_cast<std::size_t>(steps), 4000);
    double right = 0, mean = 0, square = 0;
    for (const double v : x) right += v > 0 ? 1. / 4000 : 0, mean += v / 4000, square += v * v / 4000;
    EXPECT_NEAR(right, .7, .03) << static_cast<int>(kind);
    EXPECT_NEAR(mean, .8, .12) << static_cast<int>(kind);
    EXPECT_NEAR(square, 4.25, .15) << static_cast<int>(kind);
  }
}

TEST(Samplers, DeterministicOnesConvergeToOneAnother) {
  const auto reference = run(SamplerKind::heun, 800, 300);
  auto distance = [&](SamplerKind kind, std::size_t steps) {
    const auto x = run(kind, steps, 300);
    double d = 0;
    for (std::size_t i = 0; i < x.size(); ++i) d += std::abs(x[i] - reference[i]) / static_cast<double>(x.size());
    return d;
  };
  for (const SamplerKind kind : {SamplerKind::ddim, SamplerKind::heun, SamplerKind::dpm_solver}) {
    EXPECT_LT(distance(kind, 400), .02) << static_cast<int>(kind);
    EXPECT_LT(distance(kind, 200), distance(kind, 25)) << static_cast<int>(kind);
  }
}

TEST(Decoder, SampledCellsHaveThePredictedMean) {
  Queue queue(test_device(), {.threads = 2});
  Backbone model;
  model.fit(queue, toy(), quick(), {});
  const Query q{parse_condition("A"), 0};
  const auto mean = model.predict_mean(queue, q);
  const auto cells = model.sample(queue, q, 3000, 1);
  for (std::size_t g = 0; g < 20; ++g) {
    double m = 0;
    for (std::size_t i = 0; i < cells.count; ++i) m += static_cast<double>(cells.expression[i * 20 + g]) / 3000;
    EXPECT_NEAR(m, mean[g], .06) << g;
  }
  for (const float c : cells.counts) EXPECT_TRUE(c >= 0 && c == std::floor(c));
}

TEST(Diffusion, StartsAtTheBackbonesGaussian) {
  Queue queue(test_device(), {.threads = 2});
  Diffusion model;
  model.prepare(queue, toy(), quick());  // the network's last layer is zero
  const auto latent = model.sample_latent(queue, {parse_condition("A"), 0}, 4000, SamplerKind::ddim, 100, 1);
  const auto& variance = model.backbone().space().residual_variance;
  for (std::size_t k = 0; k < variance.size(); ++k) {
    double square = 0;
    for (std::size_t i = 0; i < 4000; ++i)
      square += std::pow(static_cast<double>(latent[i * variance.size() + k]), 2) / 4000;
    EXPECT_NEAR(square / variance[k], 1, .12) << k;
  }
}

TEST(Diffusion, TrainsOnEveryTargetAndSamplesOnEverySampler) {
  Queue queue(test_device(), {.threads = 2});
  for (const char* target : {"x0", "v", "epsilon", "score"}) {
    Diffusion model;
    TrainingOptions o = quick();
    o.target = target;
    o.guidance_perturbation = 1.5;
    double first = 0, last = 0;
    model.fit(queue, toy(), o, [&](const TrainingProgress& p) {
      (first == 0 ? first : last) = p.loss;
      return true;
    });
    EXPECT_TRUE(std::isfinite(first)) << target;
    EXPECT_EQ(model.report().back().starts_with("warning: target epsilon"), o.target == "epsilon");
    for (const SamplerKind kind : {SamplerKind::ddim, SamplerKind::heun, SamplerKind::dpm_solver,
                                   SamplerKind::ancestral, SamplerKind::euler_maruyama}) {
      for (const float v : model.sample_latent(queue, {parse_condition("A+B"), 0}, 5, kind, 10, 2))
        EXPECT_TRUE(std::isfinite(v)) << target;
    }
  }
  TrainingOptions bad = quick();
  bad.target = "x1";
  EXPECT_THROW(Diffusion().fit(queue, toy(), bad, {}), InputError);
}

TEST(Diffusion, SameSeedSameBitsForAnyThreadCountAndAfterResuming) {
  auto weights = [](int threads, std::size_t stop_at) {
    Queue queue(test_device(), {.threads = threads});
    Diffusion model;
    TrainingOptions o = quick();
    o.steps = 100;
    model.prepare(queue, toy(), o);
    if (stop_at != 0) {
      // Stop once, carry the state over to a fresh model as a checkpoint does.
      model.resume(queue, [&](const TrainingProgress& p) { return p.step < stop_at; });
      const auto state = model.state(queue);
      Diffusion second;
      second.prepare(queue, toy(), o);
      second.set_state(queue, state);
      second.resume(queue, {});
      return second.state(queue).value;
    }
    model.resume(queue, {});
    return model.state(queue).value;
  };
  const auto one = weights(1, 0);
  for (const auto& [threads, stop] : {std::pair{2, 0}, {3, 0}, {7, 0}, {2, 50}}) {
    const auto other = weights(threads, static_cast<std::size_t>(stop));
    ASSERT_EQ(one.size(), other.size());
    EXPECT_EQ(std::memcmp(one.data(), other.data(), one.size() * sizeof(float)), 0)
        << threads << " threads, stopped at " << stop;
  }
}

TEST(Schedule, TheTimeOfAnAlphaIsTheInverse) {
  for (const ScheduleKind kind : {ScheduleKind::cosine, ScheduleKind::linear})
    for (const double t : {.001, .01, .2, .5, .9, .999})
      EXPECT_NEAR(time_of_alpha(kind, noise_level(kind, t).alpha), t, 1e-6) << static_cast<int>(kind);
}

TEST(Likelihood, OfAMixtureIsItsLogDensity) {
  // Two dimensions: the first a mixture, the second an independent Gaussian of deviation .8.
  std::vector<double> x;
  std::vector<double> truth;
  for (double a = -4; a <= 4; a += .5) {
    const double b = .3 * a;
    x.insert(x.end(), {a, b});
    double p = 0;
    for (const auto& [w, m] : {std::pair{.3, -2.}, {.7, 2.}})
      p += w * std::exp(-.5 * (a - m) * (a - m) / .25) / std::sqrt(2 * M_PI * .25);
    truth.push_back(std::log(p) - .5 * (b * b / .64 + std::log(2 * M_PI * .64)));
  }
  const auto denoiser = [](const std::vector<double>& xt, double, const NoiseLevel& l) {
    DenoiserEstimate e{xt, std::vector<double>(xt.size() / 2)};
    for (std::size_t i = 0; i < e.divergence.size(); ++i) {
      const double gain = l.alpha * .64 / (l.alpha * l.alpha * .64 + l.sigma * l.sigma), step = 1e-4;
      e.x0[2 * i] = mixture_mean(xt[2 * i], l.alpha, l.sigma);
      e.x0[2 * i + 1] = gain * xt[2 * i + 1];
      e.divergence[i] =
          gain + (mixture_mean(xt[2 * i] + step, l.alpha, l.sigma) - mixture_mean(xt[2 * i] - step, l.alpha, l.sigma)) /
                     (2 * step);
    }
    return e;
  };
  for (const ScheduleKind kind : {ScheduleKind::cosine, ScheduleKind::linear}) {
    const auto got = probability_flow_log_likelihood(x, {4.25, .64}, kind, 200, 1, denoiser);
    for (std::size_t i = 0; i < truth.size(); ++i)
      EXPECT_NEAR(got.value[i], truth[i], .01 + .003 * std::abs(truth[i])) << x[2 * i];
  }
}

TEST(Likelihood, OfAnUntrainedModelIsTheBackbonesGaussianAndHutchinsonAgrees) {
  Queue queue(test_device(), {.threads = 2});
  const TrainingData data = toy();
  Diffusion model;
  model.prepare(queue, data, quick());
  const Query q{parse_condition("A"), 0};
  const std::vector<float> cells(data.expression.data() + 60 * 20, data.expression.data() + 64 * 20);
  const auto got = model.log_likelihood(queue, q, cells, {});
  const auto& space = model.backbone().space();
  std::vector<float> about(cells);
  const auto mean = model.predict_mean(queue, q);
  for (std::size_t i = 0; i < about.size(); ++i) about[i] -= static_cast<float>(mean[i % 20]);
  const auto r = space.coordinates(about, 4);
  for (std::size_t i = 0; i < 4; ++i) {
    double truth = 0;
    for (std::size_t k = 0; k < space.width(); ++k) {
      const double v = space.residual_variance[k];
      truth -= .5 * (std::log(2 * M_PI * v) + std::pow(static_cast<double>(r[i * space.width() + k]), 2) / v);
    }
    EXPECT_NEAR(got.value[i], truth, .02) << i;
  }
  // Trained, the exact trace and many random probes agree, and a cell far away is less likely.
  Diffusion trained;
  trained.fit(queue, data, quick(), {});
  const auto exact = trained.log_likelihood(queue, q, cells, {.steps = 30});
  const auto random = trained.log_likelihood(queue, q, cells, {.steps = 30, .probes = 200});
  std::vector<float> far(cells);
  for (float& v : far) v += 3;
  const auto unlikely = trained.log_likelihood(queue, q, far, {.steps = 30});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(exact.value[i], random.value[i], 4 * random.standard_error[i] + .01) << i;
    EXPECT_LT(unlikely.value[i], exact.value[i]) << i;
  }
}

TEST(Diffusion, GeneSpaceAndTheUShapedNetworkTrainAndSample) {
  Queue queue(test_device(), {.threads = 2});
  for (const auto& [space, network] : {std::pair{"genes", "u-shaped"}, {"latent", "u-shaped"}, {"genes", "residual"}}) {
    TrainingOptions o = quick();
    o.space = space, o.network = network, o.steps = 200;
    Diffusion model;
    double first = 0, last = 0;
    model.fit(queue, toy(), o, [&](const TrainingProgress& p) {
      (first == 0 ? first : last) = p.loss;
      return true;
    });
    EXPECT_LT(last, first * 1.2) << space << ' ' << network;
    const auto cells = model.sample(queue, {parse_condition("A+B"), 0}, 300, 1);
    const auto mean = model.predict_mean(queue, {parse_condition("A+B"), 0});
    for (std::size_t g = 0; g < 20; ++g) {
      double m = 0;
      for (std::size_t i = 0; i < 300; ++i) m += static_cast<double>(cells.expression[i * 20 + g]) / 300;
      EXPECT_NEAR(m, mean[g], .15) << space << ' ' << network << ' ' << g;
    }
  }
}

TEST(Diffusion, ControlCellsOfAContextReachTheNetwork) {
  const TrainingData d = testing_models::two_types();
  Queue queue(test_device(), {.threads = 2});
  for (const char* summary : {"attention", "mean"}) {
    TrainingOptions o = quick();
    o.control_summary = summary, o.steps = 400;
    o.residual_covariance = "pooled";  // else the frames of the contexts take it from the network
    Diffusion model;
    model.fit(queue, d, o, {});
    double spread[2];
    for (std::size_t context = 0; context < 2; ++context) {
      const auto latent = model.sample_latent(queue, {parse_condition("A+B"), context}, 400, SamplerKind::ddim, 20, 1);
      spread[context] = 0;
      for (const float v : latent) spread[context] += static_cast<double>(v * v) / 400;
    }
    EXPECT_GT(spread[1], 1.3 * spread[0]) << summary;
  }
}

TEST(Diffusion, FeaturesOfPerturbationsReachTheNetwork) {
  Queue queue(test_device(), {.threads = 2});
  TrainingData d = toy();
  PerturbationFeatures f{{"A", "B", "C", "X", "Y"}, 2, {1, 0, 0, 1, -1, -1, 2, 0, 0, 2}};
  d.features = std::make_shared<const PerturbationFeatures>(f);
  TrainingOptions o = quick();
  o.steps = 150;
  Diffusion model;
  model.fit(queue, d, o, {});
  auto latent = [&](const char* label) {
    return model.sample_latent(queue, {parse_condition(label), 0}, 20, SamplerKind::ddim, 10, 1);
  };
  // Neither was trained: only their features tell them apart.
  EXPECT_NE(latent("X"), latent("Y"));
  EXPECT_EQ(latent("X"), latent("X"));
  d.features = nullptr;
  Diffusion plain;
  plain.fit(queue, d, o, {});
  EXPECT_EQ(plain.sample_latent(queue, {parse_condition("X"), 0}, 20, SamplerKind::ddim, 10, 1),
            plain.sample_latent(queue, {parse_condition("Y"), 0}, 20, SamplerKind::ddim, 10, 1));
}

TEST(Diffusion, ReportsTheLossOfValidationConditions) {
  TrainingData d = toy(), validation;
  validation.genes = 20, validation.contexts = {""};
  validation.conditions = {parse_condition("control"), parse_condition("A+B")};
  for (std::size_t i = 0; i < 40; ++i) {
    validation.condition.push_back(1), validation.context.push_back(0), validation.library_size.push_back(6000);
    validation.expression.edit().insert(validation.expression.edit().end(), d.row(i + 60), d.row(i + 61));
  }
  Queue queue(test_device(), {.threads = 2});
  TrainingOptions o = quick();
  o.network_mean = "never";
  std::size_t reports = 0;
  Diffusion blind;
  blind.fit(queue, d, o, [&](const TrainingProgress& p) {
    EXPECT_FALSE(p.validation.has_value());
    return true;
  });
  d.validation = std::make_shared<const TrainingData>(validation);
  Diffusion model;
  model.fit(queue, d, o, [&](const TrainingProgress& p) {
    ++reports;
    EXPECT_TRUE(p.validation && std::isfinite(*p.validation) && *p.validation > 0);
    return true;
  });
  EXPECT_GT(reports, 0u);
  // Looking at validation cells changes nothing.
  EXPECT_EQ(model.state(queue).value, blind.state(queue).value);
}

// Effects of six genes add up, and every double changes two more genes that no single does; or nothing is missed.
TrainingData with_surprise(double surprise, const std::vector<std::string>& doubles, bool singles) {
  TrainingData d;
  d.genes = 24, d.contexts = {""};
  auto add = [&](const std::string& label) {
    d.conditions.push_back(parse_condition(label));
    const Condition& c = d.conditions.back();
    for (std::size_t cell = 0; cell < 40; ++cell) {
      d.condition.push_back(static_cast<std::int32_t>(d.conditions.size()) - 1), d.context.push_back(0);
      d.library_size.push_back(8000);
      for (std::size_t g = 0; g < 24; ++g) {
        float z[4];
        normal4(77, d.conditions.size() * 100 + cell + (singles ? 0 : 5000), g, z);
        double v = 2 + .3 * static_cast<double>(z[0]);
        for (const auto& p : c.parts)
          if (static_cast<std::size_t>(p.name[0] - 'A') * 3 <= g &&
              g < static_cast<std::size_t>(p.name[0] - 'A') * 3 + 3)
            v += 1;
        if (c.parts.size() == 2 && g >= 20) v += surprise;
        d.expression.push_back(static_cast<float>(std::max(0.0, v)));
      }
    }
  };
  add("control");
  if (!singles) d.condition.clear(), d.context.clear(), d.library_size.clear(), d.expression = {};
  if (singles)
    for (char c = 'A'; c <= 'F'; ++c) add(std::string(1, c));
  for (const auto& label : doubles) add(label);
  return d;
}

TEST(Diffusion, TheNetworkMovesTheMeanOnlyWhereValidationConditionsGain) {
  Queue queue(test_device(), {.threads = 2});
  TrainingOptions o = quick();
  o.steps = 600, o.technical_shrinkage = 1;
  for (const double surprise : {1.5, 0.}) {
    TrainingData d = with_surprise(surprise, {"A+B", "B+C", "C+D", "D+E", "E+F", "A+F", "A+C", "B+D"}, true);
    d.validation = std::make_shared<const TrainingData>(with_surprise(surprise, {"C+E", "D+F", "A+D"}, false));
    const TrainingData test = with_surprise(surprise, {"B+E", "A+E"}, false);
    Diffusion model;
    model.fit(queue, d, o, {});
    double before = 0, after = 0;
    for (const char* label : {"B+E", "A+E"}) {
      const Query q{parse_condition(label), 0};
      const auto closed = model.backbone().mean(q), moved = model.predict_mean(queue, q);
      for (std::size_t g = 0; g < 24; ++g) {
        double truth = 2;
        for (const auto& p : q.condition.parts)
          if (static_cast<std::size_t>(p.name[0] - 'A') * 3 <= g &&
              g < static_cast<std::size_t>(p.name[0] - 'A') * 3 + 3)
            truth += 1;
        if (g >= 20) truth += surprise;
        before += std::pow(closed[g] - truth, 2), after += std::pow(moved[g] - truth, 2);
      }
    }
    if (surprise > 0) {
      EXPECT_LT(after, .7 * before) << model.report().back();
    } else {
      EXPECT_LT(after, 1.2 * before + .02) << model.report().back();
    }
    // What was seen stays as it was, and a loaded model says the same.
    EXPECT_EQ(model.predict_mean(queue, {parse_condition("A+B"), 0}),
              model.backbone().mean({parse_condition("A+B"), 0}));
    Diffusion loaded;
    loaded.prepare(queue, d, o);
    loaded.set_state(queue, model.state(queue));
    EXPECT_EQ(loaded.predict_mean(queue, {parse_condition("B+E"), 0}),
              model.predict_mean(queue, {parse_condition("B+E"), 0}));
  }
}

TEST(Diffusion, MemoryDoesNotGrowOverTenThousandSteps) {
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    std::size_t total = 0, pages = 0;
    in >> total >> pages;
    return pages * 4096;
  };
  Queue queue(test_device(), {.threads = 1});
  Diffusion model;
  TrainingOptions o = quick();
  o.steps = 10000, o.batch_size = 8, o.hidden = 8, o.blocks = 1;
  model.prepare(queue, toy(), o);
  std::size_t early = 0, peak = 0;
  model.resume(queue, [&](const TrainingProgress& p) {
    if (p.step == 500) early = resident(), peak = model.peak_memory();
    return true;
  });
  EXPECT_EQ(model.peak_memory(), peak);  // the arena's plan is that of the first step
  EXPECT_LT(resident(), early + (4u << 20));
}

}  // namespace
}  // namespace perturbine

// Options of training and sampling: one list of names, meanings and ranges, which the command line, configuration
// files and checkpoints all read.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perturbine {

struct TrainingOptions {
  std::size_t steps = 1000, batch_size = 256, hidden = 128, blocks = 3, latent = 50;
  float rate = 1e-3f, decay = 1e-2f, penalty = 1e-2f, dropout = 0, average_decay = .995f;
  float drop_perturbation = .1f, drop_context = .1f;
  std::string space = "latent", network = "residual", control_summary = "attention", network_mean = "auto";
  std::optional<double> technical_shrinkage;
  std::string decoder_calibration = "on", mean_centre = "backbone", response_axis = "on",
              residual_covariance = "context";
  double guidance_perturbation = 1, guidance_context = 1;
  // diffusion
  std::string target = "x0", schedule = "cosine", sampler = "dpm-solver";
  std::size_t sampler_steps = 50;
  // flow
  std::string objective = "flow-matching", coupling = "balanced", solver = "heun";
  double coupling_epsilon = .05, coupling_penalty = 1, spread = .1, tolerance = 1e-4;
  std::size_t solver_steps = 20, rectify = 0;
  // hybrid
  std::string hybrid_training = "staged";
  // causal-vae
  std::string likelihood = "negative-binomial", disentangle = "adversary", dose_response = "linear",
              operator_gates = "open";
  double disentangle_weight = 10, causal_weight = 50;
  std::size_t interactions = 0;
  std::uint64_t seed = 1;
};

/// Bounds of a number. `open`: the upper one itself is out.
struct NumberRange {
  double low = 0, high = 0;
  bool open = false;
};
/// The words an option may be.
using Words = std::vector<std::string>;

/// Calls visit(name, member, meaning, range or words) for every option but the seed, in the order of help texts. The
/// technical shrinkage is a number or `auto`.
template <class Options, class Visitor>
void visit_training_options(Options& o, Visitor&& visit) {
  constexpr NumberRange count{1, 9999999}, share{0, 1}, below_one{0, 1, true}, guidance{-100, 100};
  visit("steps", o.steps, "training steps", count);
  visit("batch-size", o.batch_size, "cells a step", count);
  visit("hidden", o.hidden, "width of the network; the causal VAE's layers are twice as wide", count);
  visit("blocks", o.blocks, "residual blocks", count);
  visit("latent", o.latent, "principal components", count);
  visit("rate", o.rate, "learning rate", NumberRange{0, 10});
  visit("decay", o.decay, "weight decay", NumberRange{0, 10});
  visit("penalty", o.penalty, "penalty on embeddings", NumberRange{0, 1e6});
  visit("dropout", o.dropout, "dropout in the blocks", below_one);
  visit("average-decay", o.average_decay, "decay of the weight average", below_one);
  visit("drop-perturbation", o.drop_perturbation, "how often training leaves the perturbation out", share);
  visit("drop-context", o.drop_context, "how often training leaves the context out", share);
  visit("space", o.space, "latent (principal components) or genes", Words{"latent", "genes"});
  visit("network", o.network, "residual or u-shaped; the latter suits --space genes", Words{"residual", "u-shaped"});
  visit("control-summary", o.control_summary,
        "what the network sees of control cells where there are several contexts: attention, mean or none",
        Words{"attention", "mean", "none"});
  visit("network-mean", o.network_mean,
        "auto: the network moves the mean as far as helps on conditions it did not learn from (diffusion: where the "
        "split has validation conditions; hybrid: always); never",
        Words{"auto", "never"});
  visit("technical-shrinkage", o.technical_shrinkage,
        "share of counting noise taken out of the latent, 0 to 1; auto: chosen on held-out cells of training "
        "conditions",
        share);
  visit(
      "decoder-calibration", o.decoder_calibration,
      "on: one factor a gene brings the mean of sampled cells to the predicted one; off, for comparison: counts at the "
      "rates that come out",
      Words{"on", "off"});
  visit(
      "mean-centre", o.mean_centre,
      "diffusion: what residuals are about: backbone (the closed-form mean), or, for comparison, control: the mean of "
      "control cells, and the network learns the whole change",
      Words{"backbone", "control"});
  visit(
      "residual-covariance", o.residual_covariance,
      "backbone, diffusion, hybrid: context: what they start from varies as the context's control cells do; pooled: as "
      "cells of all contexts do",
      Words{"context", "pooled"});
  visit("response-axis", o.response_axis,
        "diffusion, hybrid: on: how far a cell responds is a coordinate of its own, which all conditions share",
        Words{"on", "off"});
  visit("guidance-perturbation", o.guidance_perturbation, "classifier-free guidance of the perturbation; 1: none",
        guidance);
  visit("guidance-context", o.guidance_context, "the same of the context", guidance);
  visit("target", o.target, "diffusion: x0, v, epsilon or score", Words{"x0", "v", "epsilon", "score"});
  visit("schedule", o.schedule, "diffusion: cosine or linear", Words{"cosine", "linear"});
  visit("sampler", o.sampler, "diffusion: ancestral, euler-maruyama, ddim, heun or dpm-solver",
        Words{"ancestral", "euler-maruyama", "ddim", "heun", "dpm-solver"});
  visit("sampler-steps", o.sampler_steps, "diffusion: steps of the sampler", count);
  visit("objective", o.objective,
        "flow: flow-matching, or transport (one step from control to perturbed cell, learned directly)",
        Words{"flow-matching", "transport"});
  visit("coupling", o.coupling,
        "flow: how control and perturbed cells of a batch are paired: balanced or unbalanced optimal transport, or "
        "random",
        Words{"balanced", "unbalanced", "random"});
  visit("coupling-epsilon", o.coupling_epsilon, "flow: entropy of the coupling, as a share of the mean cost",
        NumberRange{1e-4, 100});
  visit("coupling-penalty", o.coupling_penalty,
        "flow: how much the unbalanced coupling minds leaving mass out, as a share of the mean cost",
        NumberRange{1e-3, 1000});
  visit("spread", o.spread, "flow: noise about the paths it learns from", NumberRange{0, 10});
  visit("solver", o.solver, "flow: euler, heun, rk4 or dormand-prince (adaptive)",
        Words{"euler", "heun", "rk4", "dormand-prince"});
  visit("solver-steps", o.solver_steps, "flow: steps of a solver that is not adaptive", count);
  visit("tolerance", o.tolerance, "flow: error per step of the adaptive solver", NumberRange{1e-7, 1});
  visit("rectify", o.rectify,
        "flow: further steps that straighten the paths, so that one step samples (--solver euler --solver-steps 1)",
        NumberRange{0, 9999999});
  visit("hybrid-training", o.hybrid_training,
        "hybrid: staged (the mean first, then the residuals), or joint (one encoder of conditions for both)",
        Words{"staged", "joint"});
  visit("likelihood", o.likelihood, "causal-vae: what the decoder takes counts or values to be distributed as",
        Words{"negative-binomial", "zero-inflated-negative-binomial", "zero-inflated-log-normal", "gaussian"});
  visit("disentangle", o.disentangle,
        "causal-vae: how the state is kept from telling context and batch: an adversary, hsic (independence of the "
        "latent groups) or none",
        Words{"adversary", "hsic", "none"});
  visit("disentangle-weight", o.disentangle_weight, "causal-vae: its weight, in nats a cell", NumberRange{0, 1e6});
  visit("causal-weight", o.causal_weight,
        "causal-vae: weight of the match (squared MMD) between control cells moved by an operator and perturbed cells",
        NumberRange{0, 1e6});
  visit("dose-response", o.dose_response,
        "causal-vae: how an operator grows with dose: linear, sigmoid (a Hill curve) or monotone",
        Words{"linear", "sigmoid", "monotone"});
  visit("operator-gates", o.operator_gates,
        "causal-vae: open, or sparse (gates that close where the data do not need them)", Words{"open", "sparse"});
  visit("interactions", o.interactions,
        "causal-vae: rank of what pairs of perturbations do beyond the sum of their operators; 0: nothing",
        NumberRange{0, 1024});
}

/// Throws InputError naming the option that is out of range.
void check_training_options(const TrainingOptions& options);

/// As text, one `name = value` line each, and back.
std::string options_text(const TrainingOptions& options);
TrainingOptions options_from_text(const std::string& text);

}  // namespace perturbine

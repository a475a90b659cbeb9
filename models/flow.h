// Optimal-transport flow: dx/dt = f(x, t, condition) carries control cells of a context to perturbed ones. It works on
// residuals about the condition means, in the latent space or over genes: with its network at zero a control cell keeps
// its residual and is shifted by the backbone's change. The network learns what is to be added to the velocity of
// Gaussian ends (gaussian_path_gain), so that it need not learn the paths' narrowing at half time. Training stands in
// flow.cpp, sampling, inverse and likelihood in flow_sampling.cpp.
#pragma once
#include "models/network_model.h"
#include "models/ode_solver.h"
#include "models/optimal_transport.h"

namespace perturbine {

class Flow : public NetworkModel {
 public:
  std::string name() const override { return "flow"; }
  void check_options(const TrainingOptions& options) const override;
  std::vector<double> predict_mean(Queue&, const Query& query) const override { return backbone_->mean(query); }
  /// Control cells of the query's context carried to the condition, with their library sizes moved to it: each cell
  /// once, and once all have been, draws from the smoothed density about them. (Copies of a cell have one residual:
  /// of 400 cells from 100 such pairs are nearer to one another than cells are.) Between the times of a time course:
  /// coupled cells of both, displaced.
  GeneratedCells sample(Queue& queue, const Query& query, std::size_t count, std::uint64_t seed) const override;
  std::vector<GeneratedCells> trajectory(Queue&, std::size_t context, const std::vector<double>& times,
                                         std::size_t count, std::uint64_t seed) const override {
    return backbone_->times().trajectory(data(), context, times, count, seed);
  }
  std::vector<std::string> report() const override;

  /// Density of the cells' coordinates in the model's space about the backbone's mean: the change of variables along
  /// the flow (Chen et al., arXiv:1806.07366, eq. 8), exact or by Hutchinson's probes, from a smoothed density of the
  /// context's control cells: Gaussians about them that together keep their variance, as wide as is best when each
  /// control cell is left out.
  LogLikelihood log_likelihood(Queue& queue, const Query& query, const std::vector<float>& expression,
                               const LikelihoodOptions& options) const override;
  /// Not between times, whose cells are displaced pairs, nor with `--objective transport`.
  bool has_likelihood(const Query& query) const override {
    return options_.objective == "flow-matching" && !query.between;
  }

  /// Carries scaled residuals [rows, width] from `from` to `to` (0: control, 1: perturbed) under a query.
  std::vector<float> carry(Queue& queue, const Query& query, const std::vector<float>& residuals, double from,
                           double to, const SolverSettings& settings, SolverReport* report = nullptr) const;
  SolverSettings solver() const;
  /// Scaled residuals and library sizes of control cells that sampling starts from.
  struct Start {
    std::vector<float> residuals;
    std::vector<double> library_size;
  };
  Start start(const Query& query, std::size_t count, std::uint64_t seed) const;

  void resume(Queue& queue, const ProgressCallback& progress) override;
  void set_state(Queue& queue, const State& state) override;
  State state(Queue& queue) const override;
  std::size_t total_steps() const override { return options_.steps + options_.rectify; }

 protected:
  void prepare_targets(Queue& queue) override;
  /// A velocity that trembles with time would cost an adaptive solver its steps.
  double highest_frequency() const override { return 20; }

 private:
  /// Perturbed cells of one condition and context, and the control cells they are paired with.
  struct Pool {
    Query query;
    std::vector<std::size_t> cells, controls;              // it learns from
    std::vector<std::size_t> judge_cells, judge_controls;  // kept for choices: every fifth; empty where there are few
  };
  /// The smoothed density of a context's control cells: Gaussians of variance h^2 v about sqrt(1 - h^2) times each
  /// cell's residual, v the cells' variance. h is the one of .1, .2, ... 1 with the greatest likelihood of (at most
  /// 200) cells when each is left out.
  struct Base {
    std::vector<std::size_t> cells;
    std::vector<double> variance;  // [width]
    double bandwidth = 1;
  };
  Base fit_base(std::size_t context) const;
  /// x [width]: the draw from the smoothed density about a cell [width] that `noise` [width], unit normals, makes.
  void smooth(const Base& base, const float* cell, const float* noise, float* x) const;
  double log_density(const Base& base, const double* residual, std::ptrdiff_t leave_out = -1) const;

  const std::vector<float>& end_covariance() const { return straight_ ? variance_ : covariance_; }
  /// Pairs of one batch: residuals drawn from the smoothed density of the pool's control cells, [rows, width], the
  /// perturbed cells they are coupled with, and each row's pool.
  void fill_pairs(Queue& queue, std::size_t step, std::vector<float>& source, std::vector<std::int32_t>& target,
                  std::vector<std::size_t>& pool_of_row) const;
  /// How much of the network's velocity is taken: the smallest of 0, .25, ... 1 whose energy distance between the
  /// judges of (at most eight, the largest) pools, control cells carried and perturbed cells as they are, exceeds the
  /// least by no more than the standard error of their paired difference.
  void choose_share(Queue& queue);
  /// Ends of the teacher's paths for every pool: what rectification learns from.
  void make_rectified_pairs(Queue& queue);
  std::vector<float> residuals_;   // [cells, width], scaled, about the condition means
  std::vector<float> covariance_;  // [width], of the ends of coupled pairs
  bool straight_ = false;          // rectified: each end has one partner, the Gaussian's velocity is none
  std::vector<float> keep_;        // [width]: share of each coordinate that is not counting noise; weighs the costs
  std::vector<Pool> pools_;
  std::vector<Base> bases_;                         // by context
  std::vector<std::vector<std::size_t>> controls_;  // by context; all controls where it has none
  double share_ = 1;
  std::string share_report_;
  std::vector<float> teacher_;  // averaged weights at the end of the first stage
  // Rectification: pairs [pairs, width] of each pool, one after another.
  std::vector<float> rectified_source_, rectified_target_;
  std::vector<std::size_t> rectified_first_;  // of each pool, and the end
};

}  // namespace perturbine

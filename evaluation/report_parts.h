// What the table, the page and its verdict share.
#pragma once
#include "evaluation/benchmark.h"

namespace perturbine {

/// Three significant places or so; "-" where there is no number.
std::string short_number(double v);
/// Text that may hold anything a file's author chose, made safe for HTML and SVG.
std::string escape(const std::string& s);
/// A summary's interval, or null.
const Interval* find(const BenchmarkResults& results, const std::string& model, const std::string& group,
                     const std::string& metric);
/// A paired difference to the backbone, or null.
const Interval* find_paired(const BenchmarkResults& results, const std::string& model, const std::string& group,
                            const std::string& metric);
/// How bad a value of a metric is: smaller is better.
double badness(const std::string& metric, double v);
/// Whether a difference to the backbone lies beyond its interval for the better (1), for the worse (-1) or not (0); 0
/// for metrics with a target, where a difference has no direction.
int beyond_interval(const std::string& metric, const Interval& difference);
const std::vector<std::string>& main_metrics();
/// `replicate` and `true-sampler` are not models.
bool is_ceiling(const std::string& model);

/// What the results say, in sentences for a reader who decides: which mean, which cells, whether a network was worth
/// its training, where a baseline wins, how far to trust the spread.
std::vector<std::string> verdict(const BenchmarkResults& results);
/// The trained model (or the backbone) whose cells have the least energy distance over all conditions; empty if none.
std::string best_trained(const BenchmarkResults& results);

}  // namespace perturbine

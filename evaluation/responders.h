// Metrics of which cells respond and how: shares of extreme responders, two kinds of cells, and whether generated cells
// teach what a few real ones do not.
#pragma once
#include <vector>

#include "kernels/core/views.h"

namespace perturbine {

/// Positions of cells [rows, width] along the change from the control cells' mean to that of `real`, sorted.
std::vector<float> along_change(MatrixView<const float> cells, MatrixView<const float> real,
                                MatrixView<const float> control);

/// |log2| of how much larger the share of x beyond a threshold along the change from control to y is than that of y:
/// the threshold is the 97.5 % quantile of y, so that this is about its 2.5 % most extreme responders. 1: twofold. Both
/// shares have one cell added to numerator and denominator.
double rare_fraction_error(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control);

/// How far the second mode of a sample's density stands out: its height above the valley that parts it from a higher
/// one, as a share of the highest mode. 0: one mode, 1: two of one height with nothing between. The density is a sum of
/// Gaussians (Silverman, Density Estimation (1986), eq. 3.31 gives `bandwidth`). `sorted` rises.
double second_mode(const std::vector<float>& sorted, double bandwidth);
/// 0.9 min(standard deviation, interquartile range / 1.34) n^(-1/5).
double silverman_bandwidth(const std::vector<float>& sorted);
/// |second_mode of x - that of y| along the change from control to y, both cut to one number of cells and smoothed
/// alike.
double bimodality_error(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control);

/// What the generated cells x add to ten real ones of y in telling y from control: the area under the ROC curve of
/// a linear discriminant (covariances pooled and shrunk) on the other real cells and on half of the controls, learned
/// from ten cells and x less that from ten cells alone; mean over an even choice of up to ten tens. NaN with fewer than
/// 20 real or control cells.
double augmentation_gain(MatrixView<const float> x, MatrixView<const float> y, MatrixView<const float> control);

}  // namespace perturbine

// The figures of the report: SVG text, every name escaped.
#pragma once
#include <string>
#include <vector>

namespace perturbine {

/// A square scatter of two series; `b` is drawn over `a`.
struct Scatter {
  std::string title, x_label, y_label;
  std::vector<float> a, b;  // [points, 2]
  bool diagonal = false;    // equal axes and the line x = y
};
std::string draw(const Scatter& figure);

/// Lines over common axes, named beside their ends.
struct Lines {
  struct Series {
    std::string name;
    std::vector<float> points;  // [points, 2]
  };
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool diagonal = false;
};
std::string draw(const Lines& figure);

/// Two samples of one value as histograms over the same bins: `a` filled, `b` as an outline.
struct TwoHistograms {
  std::string title, x_label;
  std::vector<float> a, b;
};
std::string draw(const TwoHistograms& figure);

/// Shares of equal bins, and the even share as a line.
struct EvenHistogram {
  std::string title, x_label;
  std::vector<double> shares;
};
std::string draw(const EvenHistogram& figure);

}  // namespace perturbine

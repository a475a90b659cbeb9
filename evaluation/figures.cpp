#include "evaluation/figures.h"

#include <algorithm>
#include <cmath>

#include "evaluation/report_parts.h"
#include "kernels/core/error.h"

namespace perturbine {
namespace {

constexpr float left = 48, top = 28, size = 260;

float tenth(float v) { return std::round(10 * v) / 10; }

// A square frame with axes that hold all points, and zero where that is wanted; its corners are labelled.
class Frame {
 public:
  explicit Frame(bool with_zero = true) {
    for (int k = 0; k < 2 && !with_zero; ++k) low_[k] = INFINITY, high_[k] = -INFINITY;
  }
  void hold(float x, float y) {
    low_[0] = std::min(low_[0], x), high_[0] = std::max(high_[0], x);
    low_[1] = std::min(low_[1], y), high_[1] = std::max(high_[1], y);
  }
  void make_equal() {
    low_[0] = low_[1] = std::min(low_[0], low_[1]), high_[0] = high_[1] = std::max(high_[0], high_[1]);
  }
  bool empty() const { return !(high_[0] > low_[0]) || !(high_[1] > low_[1]); }
  float x(float v) const { return tenth(left + (v - low_[0]) / (high_[0] - low_[0]) * size); }
  float y(float v) const { return tenth(top + size - (v - low_[1]) / (high_[1] - low_[1]) * size); }
  std::string diagonal() const {
    return text("<line x1=\"", x(low_[0]), "\" y1=\"", y(low_[0]), "\" x2=\"", x(high_[0]), "\" y2=\"", y(high_[0]),
                "\" class=\"d\"/>");
  }
  std::string figure(const std::string& title, const std::string& x_label, const std::string& y_label,
                     const std::string& inside) const {
    auto label = [](float v) { return v == 0 ? std::string("0") : short_number(static_cast<double>(v)); };
    return text("<figure><svg role=\"img\" viewBox=\"0 0 330 330\"><title>", escape(title), "</title><text x=\"", left,
                "\" y=\"16\" class=\"h\">", escape(title), "</text><rect x=\"", left, "\" y=\"", top, "\" width=\"",
                size, "\" height=\"", size, "\" class=\"f\"/>", inside, "<text x=\"", left, "\" y=\"302\">",
                label(low_[0]), "</text><text x=\"", left + size, "\" y=\"302\" text-anchor=\"end\">", label(high_[0]),
                "</text><text x=\"", left + size / 2, "\" y=\"318\" text-anchor=\"middle\">", escape(x_label),
                "</text><text x=\"", left - 4, "\" y=\"", top + size, "\" text-anchor=\"end\">", label(low_[1]),
                "</text><text x=\"", left - 4, "\" y=\"", top + 10, "\" text-anchor=\"end\">", label(high_[1]),
                "</text><text transform=\"translate(14,", top + size / 2, ") rotate(-90)\" text-anchor=\"middle\">",
                escape(y_label), "</text></svg></figure>\n");
  }

 private:
  float low_[2] = {0, 0}, high_[2] = {0, 0};
};

}  // namespace

std::string draw(const Scatter& p) {
  Frame frame;
  for (const auto* series : {&p.a, &p.b})
    for (std::size_t i = 0; i + 1 < series->size(); i += 2) frame.hold((*series)[i], (*series)[i + 1]);
  if (p.diagonal) frame.make_equal();
  if (frame.empty()) return "";
  std::string s = p.diagonal ? frame.diagonal() : "";
  for (const auto& [series, name] : {std::pair{&p.a, "pb"}, std::pair{&p.b, "pm"}})
    for (std::size_t i = 0; i + 1 < series->size(); i += 2)
      s += text("<circle cx=\"", frame.x((*series)[i]), "\" cy=\"", frame.y((*series)[i + 1]), "\" r=\"2.2\" class=\"",
                name, "\"/>");
  return frame.figure(p.title, p.x_label, p.y_label, s);
}

std::string draw(const Lines& p) {
  Frame frame(p.diagonal);
  for (const auto& series : p.series)
    for (std::size_t i = 0; i + 1 < series.points.size(); i += 2) frame.hold(series.points[i], series.points[i + 1]);
  if (p.diagonal) frame.make_equal();
  if (frame.empty()) return "";
  std::string s = p.diagonal ? frame.diagonal() : "", names;
  float name_y = p.diagonal ? top + size - 8 - 15 * static_cast<float>(p.series.size() - 1) : top + 14;
  static const char* const dashes[] = {"", "6 3", "2 3", "8 3 2 3"};
  for (std::size_t k = 0; k < p.series.size(); ++k) {
    std::string points;
    for (std::size_t i = 0; i + 1 < p.series[k].points.size(); i += 2)
      points += text(frame.x(p.series[k].points[i]), ",", frame.y(p.series[k].points[i + 1]), " ");
    const std::string style = text("class=\"l\" stroke-dasharray=\"", dashes[k % 4], "\"");
    s += "<polyline points=\"" + points + "\" " + style + "/>";
    if (p.series.size() == 1) break;
    const float right = left + size;
    s += text("<line x1=\"", right - 118, "\" x2=\"", right - 92, "\" y1=\"", name_y - 4, "\" y2=\"", name_y - 4, "\" ",
              style, "/><text x=\"", right - 88, "\" y=\"", name_y, "\">", escape(p.series[k].name), "</text>");
    name_y += 15;
  }
  return frame.figure(p.title, p.x_label, p.y_label, s);
}

std::string draw(const TwoHistograms& p) {
  float high = 0;
  for (const auto* sample : {&p.a, &p.b})
    for (const float v : *sample) high = std::max(high, v);
  if (p.a.empty() || p.b.empty() || !(high > 0)) return "";
  constexpr std::size_t bins = 16;
  auto shares = [&](const std::vector<float>& sample) {
    std::vector<float> share(bins, 0);
    for (const float v : sample)
      share[std::min(bins - 1, static_cast<std::size_t>(std::max(0.0f, v) / high * bins))] +=
          1 / static_cast<float>(sample.size());
    return share;
  };
  const auto a = shares(p.a), b = shares(p.b);
  Frame frame;
  frame.hold(high, std::max(*std::max_element(a.begin(), a.end()), *std::max_element(b.begin(), b.end())));
  const auto at = [&](std::size_t bin) { return high * static_cast<float>(bin) / bins; };
  std::string s, outline;
  for (std::size_t k = 0; k < bins; ++k) {
    s += text("<rect x=\"", frame.x(at(k)), "\" y=\"", frame.y(a[k]), "\" width=\"", tenth(size / bins), "\" height=\"",
              frame.y(0) - frame.y(a[k]), "\" class=\"pb\"/>");
    outline += text(frame.x(at(k)), ",", frame.y(b[k]), " ", frame.x(at(k + 1)), ",", frame.y(b[k]), " ");
  }
  return frame.figure(p.title, p.x_label, "share of cells", s + "<polyline points=\"" + outline + "\" class=\"l\"/>");
}

std::string draw(const EvenHistogram& p) {
  if (p.shares.empty()) return "";
  const float even = 1 / static_cast<float>(p.shares.size());
  Frame frame;
  frame.hold(1, 2 * even);
  for (const double v : p.shares) frame.hold(1, static_cast<float>(v));
  std::string s;
  for (std::size_t k = 0; k < p.shares.size(); ++k) {
    const float x = frame.x(static_cast<float>(k) * even), y = frame.y(static_cast<float>(p.shares[k]));
    s += text("<rect x=\"", x + 1, "\" y=\"", y, "\" width=\"", tenth(size * even - 2), "\" height=\"",
              tenth(frame.y(0) - y), "\" class=\"m\"/>");
  }
  s += text("<line x1=\"", frame.x(0), "\" x2=\"", frame.x(1), "\" y1=\"", frame.y(even), "\" y2=\"", frame.y(even),
            "\" class=\"d\"/>");
  return frame.figure(p.title, p.x_label, "share of values", s);
}

}  // namespace perturbine

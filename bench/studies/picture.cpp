// A study as a picture: a bar for each variant, a line where the prediction is.
#include <algorithm>
#include <cstdio>

#include "bench/studies/study.h"

namespace perturbine::studies {
namespace {

std::string escape(const std::string& s) {
  std::string out;
  for (const char c : s) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

std::string milliseconds(double seconds) {
  char s[32];
  std::snprintf(s, sizeof s, "%.3g ms", seconds * 1e3);
  return s;
}

}  // namespace

std::string picture(const Study& study, const StudyResult& result) {
  const auto& [measured, ceilings] = result;
  constexpr double left = 190, width = 430, bar = 22;
  std::string body;
  double y = 40;
  for (std::size_t i = 0; i < measured.size();) {
    std::size_t end = i;
    double longest = 0;
    for (; end < measured.size() && measured[end].case_name == measured[i].case_name; ++end)
      longest = std::max({longest, measured[end].median(), ceilings.least_seconds(measured[end].predicted)});
    body += text("<text x=\"10\" y=\"", y + 14, "\" font-weight=\"bold\">", escape(measured[i].case_name), "</text>\n");
    y += bar + 2;
    for (; i < end; ++i, y += bar) {
      const Measurement& m = measured[i];
      const double length = width * m.median() / longest,
                   predicted = left + width * ceilings.least_seconds(m.predicted) / longest;
      body += text("<text x=\"", left - 8, "\" y=\"", y + 15, "\" text-anchor=\"end\">", escape(m.variant), "</text>");
      body += text("<rect x=\"", left, "\" y=\"", y + 3, "\" width=\"", length, "\" height=\"", bar - 6, "\" fill=\"",
                   m.variant == "shipped" ? "#0072b2" : "#999999", "\"/>");
      body += text("<line x1=\"", predicted, "\" x2=\"", predicted, "\" y1=\"", y, "\" y2=\"", y + bar,
                   "\" stroke=\"#d55e00\" stroke-width=\"2\"/>");
      body += text("<text x=\"", left + length + 6, "\" y=\"", y + 15, "\">", milliseconds(m.median()), "</text>\n");
    }
    y += 14;
  }
  return text("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"", y + 10, "\" viewBox=\"0 0 720 ",
              y + 10,
              "\" font-family=\"sans-serif\" font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
              "<text x=\"10\" y=\"20\" font-size=\"14\">", escape(study.name),
              ": median time; blue ships; the line is the prediction at the ceilings</text>\n", body, "</svg>\n");
}

}  // namespace perturbine::studies

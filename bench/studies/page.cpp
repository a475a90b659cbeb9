// A study as a page of the documentation.
#include <cstdio>

#include "bench/studies/study.h"

namespace perturbine::studies {
namespace {

std::string number(double v, const char* form = "%.3g") {
  char s[32];
  std::snprintf(s, sizeof s, form, v);
  return s;
}

// A bar ends a cell of a table.
std::string cell(const std::string& s) {
  std::string out;
  for (const char c : s) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string page(const Study& study, const StudyResult& result, const std::string& measured_on,
                 const std::string& picture_file) {
  const Ceilings& c = result.ceilings;
  std::string s =
      text("## ", study.name, "\n\n", study.question, "\n\n`study ", study.name, "`: ", measured_on, "; copy ",
           number(c.copy_gigabytes), " GB/s, products ", number(c.product_gigaflops), " GFLOP/s.\n");
  std::string last;
  for (const Measurement& m : result.measured) {
    if (m.case_name != last)
      s +=
          text("\n", m.case_name, "\n\n| variant | median ms | predicted ms | of ceiling | |\n|---|---|---|---|---|\n");
    last = m.case_name;
    const double median = m.median();
    if (m.differs.empty())
      s += text("| ", m.variant, " | ", number(1e3 * median), " | ", number(1e3 * c.least_seconds(m.predicted)), " | ",
                number(100 * c.least_seconds(m.least) / median, "%.0f %%"), " | ", cell(m.says), " |\n");
    else
      s += text("| ", m.variant, " | differs from the oracle | | | ", cell(m.says), " |\n");
  }
  if (!picture_file.empty())
    s += text("\n![", study.name, "](images/", picture_file.substr(picture_file.rfind('/') + 1), ")\n");
  return s + "\n" + study.learned + "\n";
}

}  // namespace perturbine::studies

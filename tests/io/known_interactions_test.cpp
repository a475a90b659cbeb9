// Interactions known from elsewhere: what is read and what is refused.
#include "io/known_interactions.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/io/files.h"

namespace perturbine {
namespace {

using testing_files::folder;

std::map<std::string, double> interactions_in(const std::string& contents) {
  write_text(folder() + "/known.csv", contents);
  return read_known_interactions(folder() + "/known.csv");
}
std::string interactions_refusal(const std::string& contents) {
  return testing_files::complaint([&] { interactions_in(contents); });
}

TEST(KnownInteractions, PairsInOneColumnOrTwoWithOrWithoutAHeading) {
  const std::map<std::string, double> want{{"A+B", -1.5}, {"A+C", .25}, {"B+C", 3}, {"C+D", 0}};
  EXPECT_EQ(interactions_in("pair,score\nB+A,-1.5\nA+C,0.25\n\n# known\nB+C,3\nD+C,0\n"), want);
  EXPECT_EQ(interactions_in("B\tA\t-1.5\r\nA\tC\t.25\r\nC\tB\t3e0\r\nC\tD\t0\r\n"), want);
}

TEST(KnownInteractions, SaysWhatIsWrong) {
  EXPECT_NE(interactions_refusal("A+B,1\nA+C\n").find("line 2"), std::string::npos);
  EXPECT_NE(interactions_refusal("A+B,1\nA+C,strong\n").find("'strong' is not a number"), std::string::npos);
  EXPECT_NE(interactions_refusal("A+B,1\nA,2\n").find("'A' is not a pair"), std::string::npos);
  EXPECT_NE(interactions_refusal("A+B,1\nB+A,2\n").find("A+B is there twice"), std::string::npos);
  EXPECT_NE(interactions_refusal("A+B,1\nA+C,2\n").find("at least four"), std::string::npos);
}

}  // namespace
}  // namespace perturbine

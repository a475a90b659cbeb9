// Files that take the program down with them, or that it has no memory for: one line each.
#include "cli/reading.h"

#include "tests/cli/program.h"

namespace perturbine {
namespace {

TEST(Reading, ACrashEndsInOneLineThatNamesTheFile) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT})
    EXPECT_EXIT(
        {
          const cli::Reading reading("cells.h5ad");
          raise(signal);
        },
        testing::ExitedWithCode(2), "^perturbine: cells.h5ad: the HDF5 library crashed while reading it");
  EXPECT_EXIT(
      {
        { const cli::Reading reading("cells.h5ad"); }
        raise(SIGSEGV);
      },
      testing::KilledBySignal(SIGSEGV), "");
}

TEST(Program, TooLittleMemoryIsSaid) {
  const std::string data = testing_program::prepared().data;
  std::size_t refused = 0;
  // From where the program starts to where it has enough.
  for (const int megabytes : {60, 90, 120, 150, 180, 210, 240, 300, 400, 2000}) {
    const std::string limited =
        "ulimit -v " + std::to_string(megabytes * 1024) + "; " + PERTURBINE_PROGRAM + " inspect " + data + " 2>&1";
    std::FILE* pipe = popen(limited.c_str(), "r");
    std::string said;
    char buffer[4096];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) said.append(buffer, n);
    const int status = pclose(pipe);
    ASSERT_TRUE(WIFEXITED(status)) << megabytes << said;
    if (WEXITSTATUS(status) == 127) continue;  // its libraries do not fit
    EXPECT_TRUE(WEXITSTATUS(status) == 0 || said.find("perturbine: ") != std::string::npos) << megabytes << said;
    refused += WEXITSTATUS(status) != 0;
  }
  EXPECT_LT(refused, 10U);
}

}  // namespace
}  // namespace perturbine

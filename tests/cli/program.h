// Running the program in tests: what it prints, how it ends, and a small simulation to work on.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "io/file.h"
#include "tests/io/files.h"

namespace perturbine::testing_program {

using testing_files::folder;

struct Outcome {
  int code;
  std::string out, err;
};

inline Outcome run(const std::string& arguments) {
  const std::string err = folder() + "/stderr";
  const std::string line = std::string(PERTURBINE_PROGRAM) + " " + arguments + " 2>" + err;
  std::FILE* pipe = popen(line.c_str(), "r");
  Outcome o{0, "", ""};
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) o.out.append(buffer, n);
  const int status = pclose(pipe);
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  o.err = read_text(err);
  return o;
}
inline void expect_refused(const std::string& arguments, const std::string& part) {
  const Outcome o = run(arguments);
  EXPECT_EQ(o.code, 2) << arguments << "\n" << o.err;
  EXPECT_NE((o.err + o.out).find(part), std::string::npos) << arguments << "\n" << o.err;
}

// A simulated file, a split and a short training, made once.
struct Prepared {
  std::string data = folder() + "/sim.h5ad", split = folder() + "/split.json", run_folder = folder() + "/run";
  std::string train = "train --data " + data + " --split " + split +
                      " --steps 60 --hidden 32 --blocks 1 --batch-size 64 --latent 10 --quiet";
  Prepared() {
    EXPECT_EQ(run("simulate --quiet --genes 60 --cells 25 --out " + data).code, 0);
    EXPECT_EQ(run("split --quiet " + data + " --kind doubles --out " + split).code, 0);
    EXPECT_EQ(run(train + " --out " + run_folder).code, 0);
  }
};
inline Prepared& prepared() {
  static Prepared p;
  return p;
}

}  // namespace perturbine::testing_program

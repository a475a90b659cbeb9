// The program `perturbine`: results on stdout, talk on stderr; exit 0 done, 1 failure, 2 wrong usage or input, 130
// interrupted.
#include <toml++/toml.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "cli/command.h"

namespace {

using namespace perturbine;

struct Subcommand {
  const char *name, *summary;
  cli::AddCommand add;
};
constexpr Subcommand subcommands[] = {
    {"inspect", "what is in a file, what would be read, what is wrong with it", &cli::add_inspect},
    {"simulate", "a data set with known truth", &cli::add_simulate},
    {"prepare", "one normal form: names harmonised, poor cells left out, genes selected", &cli::add_prepare},
    {"split", "which conditions train and which test", &cli::add_split},
    {"train", "train a model", &cli::add_train},
    {"predict", "generate cells of a condition", &cli::add_predict},
    {"effects", "what each perturbation does, with uncertainty, as a table", &cli::add_effects},
    {"impute", "labels of cells: cell type, batch, perturbed or not", &cli::add_impute},
    {"evaluate", "score generated cells of any tool against real ones", &cli::add_evaluate},
    {"benchmark", "models and baselines on one split: one table, one report", &cli::add_benchmark},
    {"devices", "what it can run on, measured ceilings, the operations", &cli::add_devices},
    {"trace-diff", "the first operation in which two traces differ", &cli::add_trace_diff},
};

// Options of a TOML file become arguments, behind which the real ones stand and win.
std::vector<std::string> from_config(const std::string& path, CLI::App& app) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& e) {
    throw InputError(text(path, ": is not valid TOML: ", e.description()));
  }
  std::vector<std::string> out, known;
  for (const CLI::Option* o : app.get_options())
    known.push_back(o->get_name().substr(o->get_name().starts_with("--") ? 2 : 0));
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (app.get_option_no_throw("--" + name) == nullptr || name == "config") {
      throw InputError(
          text(path, ": the key '", name, "' is not an option of ", app.get_name(), note_on_spelling(name, known)));
    }
    auto add = [&](const toml::node& v) {
      if (const auto b = v.value_exact<bool>()) {
        if (*b) out.push_back("--" + name);
      } else if (const auto s = v.value_exact<std::string>()) {
        out.push_back("--" + name + "=" + *s);
      } else if (v.is_integer() || v.is_floating_point()) {
        std::ostringstream n;
        n.precision(17);
        if (v.is_integer())
          n << *v.value<std::int64_t>();
        else
          n << *v.value<double>();
        out.push_back("--" + name + "=" + n.str());
      } else {
        throw InputError(text(path, ": the key '", name, "' must be text, a number, true or false"));
      }
    };
    if (const toml::array* list = value.as_array())
      for (const auto& v : *list) add(v);
    else
      add(value);
  }
  return out;
}

int run(int argc, char** argv) {
  CLI::App app{"Perturbine: how single cells respond to perturbations"};
  app.name("perturbine");
  app.set_version_flag("--version", "perturbine 0.1.0");
  app.require_subcommand(1);
  cli::Common common;
  std::vector<std::function<void()>> actions(std::size(subcommands));
  std::vector<CLI::App*> apps;
  for (std::size_t i = 0; i < std::size(subcommands); ++i) {
    CLI::App* sub = app.add_subcommand(subcommands[i].name, subcommands[i].summary);
    cli::add_common(*sub, common);
    subcommands[i].add(*sub, common, actions[i]);
    for (CLI::Option* o : sub->get_options()) {
      if (o->get_expected_max() == 1) o->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
      if (o->get_type_name() == "UINT")  // which would take -1 for the largest number there is
        o->check([](const std::string& given) {
          return given.starts_with('-') ? "is " + given + " but must not be negative" : std::string();
        });
    }
    apps.push_back(sub);
  }
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const bool joined = arguments[i].starts_with("--config=");
    if (!joined && (arguments[i] != "--config" || i + 1 >= arguments.size())) continue;
    const std::string path = joined ? arguments[i].substr(9) : arguments[i + 1];
    for (CLI::App* sub : apps)
      if (sub->get_name() == arguments[0]) {
        const auto extra = from_config(path, *sub);
        arguments.insert(arguments.begin() + 1, extra.begin(), extra.end());
      }
    break;
  }
  if (!arguments.empty() && !arguments[0].starts_with('-')) {
    std::vector<std::string> names;
    for (const Subcommand& s : subcommands) names.emplace_back(s.name);
    require_input(std::find(names.begin(), names.end(), arguments[0]) != names.end(), "'", arguments[0],
                  "' is no command", note_on_spelling(arguments[0], names), "; all of them: perturbine --help");
  }
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  for (std::size_t i = 0; i < apps.size(); ++i)
    if (apps[i]->parsed()) {
      actions[i]();
      if ((common.profile || common.check_finite || !common.trace.empty()) && !cli::Work::any())
        cli::say(common,
                 text(subcommands[i].name, " runs no kernels: --profile, --trace and --check-finite saw nothing"));
    }
  return 0;
}

// Ctrl-C goes to a thread that does nothing but wait for it; every other thread, made after this, has it blocked. A
// handler would run on the stack of whatever thread computes just then.
void listen_for_interrupts() {
  sigset_t interrupt;
  sigemptyset(&interrupt), sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
  std::thread([interrupt] {
    for (int signal = 0; sigwait(&interrupt, &signal) == 0;)
      if (cli::interrupted.exchange(true)) std::_Exit(130);
  }).detach();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a full disk is an error message, not a signal
  try {
    listen_for_interrupts();
    return run(argc, argv);
  } catch (const cli::Interrupted&) {
    return 130;
  } catch (const InputError& e) {
    std::fprintf(stderr, "perturbine: %s\n", e.what());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr,
                 "perturbine: not enough memory; fewer cells or genes need less (perturbine prepare --genes N "
                 "--cells-per-condition N)\n");
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "perturbine: %s\n", e.what());
    return 1;
  }
}

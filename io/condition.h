// A condition: a set of perturbations with dose weights, and its canonical label.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perturbine {

/// Members sorted bytewise by name; none: control. Weights are 1 unless given ("A:0.5+B").
struct Condition {
  struct Part {
    std::string name;
    double weight = 1;
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts;
  bool is_control() const { return parts.empty(); }
  bool operator==(const Condition&) const = default;
};

inline constexpr std::string_view control_label = "control";

/// `control`, or the parts joined by `+`, weights other than 1 behind a colon.
std::string canonical_label(const Condition&);

/// Reads any accepted spelling: `A+B`, `B+A`, `A+ctrl`, `ctrl`, `control`, `A:0.5+B:0.5`. `control_names` are labels
/// that mean control besides the recognised ones (control, ctrl, non-targeting, NT, DMSO, vehicle, any case). Throws
/// InputError on an empty part, a part given twice, or a weight that is not a positive finite number.
Condition parse_condition(std::string_view label, const std::vector<std::string>& control_names = {});

/// The conditions of all labels of a file. As parse_condition, and besides `A_B` is `A+B` where the labels themselves
/// say so: every part between underscores names the control or is a perturbation of its own (`A`, `A+ctrl`, `A_ctrl`).
/// Empty labels are left out. `from_underscores` receives the labels read that way. `known`: perturbations
/// known from elsewhere, which are never divided themselves.
std::map<std::string, Condition> parse_labels(const std::vector<std::string>& labels,
                                              const std::vector<std::string>& control_names = {},
                                              std::vector<std::string>* from_underscores = nullptr,
                                              const std::vector<std::string>& known = {});

/// Whether a label names the control by itself.
bool is_control_name(std::string_view label, const std::vector<std::string>& control_names = {});

/// Whether a label says that no one perturbation is known of a cell: unassigned, unknown, undetermined, unmapped,
/// ambiguous, multiplet, doublet, none, nan, na; any case.
bool names_no_perturbation(std::string_view label);
/// What to tell whose file has such a label, which is read as any other.
std::string note_on_no_perturbation(std::string_view label, std::size_t cells);

/// Up to `count` of `names` that are spelled most like `wanted`.
std::vector<std::string> near_spellings(std::string_view wanted, const std::vector<std::string>& names,
                                        std::size_t count = 3);
/// "; near spellings: " and these; empty without any.
std::string note_on_spelling(std::string_view wanted, const std::vector<std::string>& names);

}  // namespace perturbine

"""The fixed Norman split: baselines equal an independent reference, diffusion keeps its bar on seen doubles."""
import json
import sys

results = json.load(open(sys.argv[1]))
table = {(r["model"], r["group"], r["metric"]): r["mean"] for r in results["summary"]}
group = "double_seen2"
reference = {  # constants of independent numpy and SciPy runs on the same file and split
    ("no-change", "l2"): 1.374, ("additive", "l2"): 0.446, ("additive-cells", "l2"): 0.446,
    ("additive", "pearson_delta"): 0.870, ("ridge", "l2"): 0.442, ("ridge", "pearson_delta"): 0.866,
    ("no-change", "energy_distance"): 0.574, ("additive-cells", "energy_distance"): 0.017,
    ("no-change", "wasserstein1"): 0.0096, ("additive-cells", "wasserstein1"): 0.0087,
    ("no-change", "crps"): 0.0157, ("additive-cells", "crps"): 0.0165,
}
failures = []
for (model, metric), want in reference.items():
    got = table[(model, group, metric)]
    if abs(got - want) > max(0.006 * abs(want), 0.002 if metric == "energy_distance" else 0.00006 if want < 0.05 else 0):
        failures.append(f"{model} {metric}: {got:.4f}, not {want}")
bar = {"l2": (0, .43), "pearson_delta": (.87, 1), "energy_distance": (-1, .040), "rbf_mmd": (-1, .0045), "wasserstein1": (0, .0074),
       "crps": (0, .0146), "coverage_90": (.87, .94), "variance_ratio": (.85, 1.2)}
for metric, (low, high) in bar.items():
    got = table[("diffusion", group, metric)]
    print(f"diffusion {metric:16s} {got:8.4f}  bar {low} to {high}")
    if not low <= got <= high:
        failures.append(f"diffusion {metric}: {got:.4f} is outside {low} to {high}")
if failures:
    sys.exit("\n".join(failures))
print("the fixed Norman split holds, in", round(results["run"]["seconds"]), "s")

"""The fixed Norman split: baselines equal a numpy computation made here, diffusion keeps its bar on seen doubles.

Usage: check_norman.py METRICS.json DATA.h5ad SPLIT.json (needs numpy and h5py; shares no code with the program).
"""
import json
import sys

import h5py
import numpy as np

results, split = json.load(open(sys.argv[1])), json.load(open(sys.argv[3]))
table = {(r["model"], r["group"], r["metric"]): r["mean"] for r in results["summary"]}

# Expression log1p(10,000 count / library size), and mean changes against control.
with h5py.File(sys.argv[2]) as f:
    x = f["X"]
    counts = np.zeros(tuple(x.attrs["shape"]))
    indptr, columns, values = x["indptr"][:], x["indices"][:], x["data"][:]
    for i in range(len(counts)):
        counts[i, columns[indptr[i]:indptr[i + 1]]] = values[indptr[i]:indptr[i + 1]]
    c = f["obs/condition"]
    names = c["categories"].asstr()[:][c["codes"][:]] if isinstance(c, h5py.Group) else c.asstr()[:]
    library = f["obs/library_size"][:].astype(float)


def canonical(name):
    parts = sorted(p for p in str(name).split("+") if p not in ("ctrl", "control"))
    return "+".join(parts) or "control"


labels = np.array([canonical(n) for n in names])
expression = np.log1p(10000 * counts / library[:, None])
mean = {l: expression[labels == l].mean(0) for l in set(labels)}
test, groups = [canonical(t) for t in split["test"]], split["groups"]
delta = {l: m - mean["control"] for l, m in mean.items() if l != "control"}
train = sorted(l for l in delta if l not in test)
average = np.mean([delta[l] for l in train], axis=0)
parts = sorted({p for l in train for p in l.split("+")})
multi_hot = np.array([[float(p in l.split("+")) for p in parts] for l in train])
targets = np.array([delta[l] for l in train]) - multi_hot.sum(1, keepdims=True) * average
weights = np.linalg.solve(multi_hot.T @ multi_hot + 0.1 * np.eye(len(parts)), multi_hot.T @ targets)
part_effect = {p: average + w for p, w in zip(parts, weights)}
predictions = {
    "no-change": lambda l: 0 * average,
    "mean": lambda l: average,
    "additive": lambda l: sum(delta[p] if p in train else average for p in l.split("+")),
    "ridge": lambda l: sum(part_effect.get(p, average) for p in l.split("+")),
}
failures, compared = [], 0


def compare(model, group, metric, want, tolerance):
    global compared
    compared += 1
    got = table[(model, group, metric)]
    if abs(got - want) > tolerance:
        failures.append(f"{model} {group} {metric}: {got:.5f}, not {want:.5f}")


for model, predict in predictions.items():
    for group in sorted(set(groups.values())) + ["all"]:
        members = [l for l in test if group == "all" or groups[l] == group]
        error = [predict(l) - delta[l] for l in members]
        compare(model, group, "l2", np.mean([np.linalg.norm(e) for e in error]), 1e-3)
        compare(model, group, "mse", np.mean([np.mean(e**2) for e in error]), 1e-5)
        correlation = [0 if np.std(predict(l)) < 1e-12 else np.corrcoef(predict(l), delta[l])[0, 1] for l in members]
        compare(model, group, "pearson_delta", np.mean(correlation), 1e-3)
# Distances of sampled cells: constants of an independent run with SciPy, within their sampling noise.
for (model, metric), want in {("no-change", "energy_distance"): 0.574, ("additive-cells", "energy_distance"): 0.017,
                              ("no-change", "wasserstein1"): 0.0096, ("additive-cells", "wasserstein1"): 0.0087,
                              ("no-change", "crps"): 0.0157, ("additive-cells", "crps"): 0.0165}.items():
    compare(model, "double_seen2", metric, want, 0.004 if metric == "energy_distance" else 0.00006)
print(compared, "figures of the baselines compared with numpy")
bar = {"l2": (0, .43), "pearson_delta": (.87, 1), "energy_distance": (-1, .040), "rbf_mmd": (-1, .0045), "wasserstein1": (0, .0074),
       "crps": (0, .0146), "coverage_90": (.87, .94), "variance_ratio": (.85, 1.2)}
for metric, (low, high) in bar.items():
    got = table[("diffusion", "double_seen2", metric)]
    print(f"diffusion {metric:16s} {got:8.4f}  bar {low} to {high}")
    if not low <= got <= high:
        failures.append(f"diffusion {metric}: {got:.4f} is outside {low} to {high}")
if failures:
    sys.exit("\n".join(failures))
print("the fixed Norman split holds, in", round(results["run"]["seconds"]), "s")

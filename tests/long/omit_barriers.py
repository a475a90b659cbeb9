"""Takes each __syncthreads, __syncwarp and cluster_synchronise out of our device code in turn; ThreadSanitizer under the emulator must notice.

The emulator leaves out the barrier that PERTURBINE_OMIT_BARRIER names, so that one build of the tests serves them all."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

root = Path(__file__).resolve().parents[2]
program = Path(sys.argv[1]).resolve()  # kernel_tests, built for ThreadSanitizer
parts = 24
slow = "*2117x33*:emulated/*/sinkhorn_large*:emulated/*/sinkhorn_100*"  # as in scripts/test: many thousand threads


def noticed(place):
    """Whether the emulated tests fail without the barrier at FILE:LINE (None: with all of them). First the tests that
    are called like the file or its first words, then every 24th test and the others: some of every operation are among the first."""
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    runs = [(f"emulated/*-{slow}", {"GTEST_TOTAL_SHARDS": str(parts), "GTEST_SHARD_INDEX": str(part)}) for part in range(parts)]
    if place:
        environment["PERTURBINE_OMIT_BARRIER"] = place
        words = Path(place.split(":")[0]).stem.rstrip("s").split("_")
        runs[:0] = [(f"emulated/*{'_'.join(words[:n])}*-{slow}", {}) for n in range(len(words), 0, -1)]
    for which, part in runs:
        try:
            if subprocess.run([program, f"--gtest_filter={which}", "--gtest_brief=1"], cwd=root, capture_output=True,
                              timeout=600, env={**environment, **part}).returncode != 0:
                return True
        except subprocess.TimeoutExpired:
            return True
    return False


places = []  # (file, number of the barrier in the file, line)
for path in sorted([*(root / "kernels").glob("*/*.cu"), *(root / "kernels").glob("*/*.cuh")]):
    if path.parent.name == "cuda" or path.name.endswith("_library.cu"):  # no part of the emulator
        continue
    file, number = str(path.relative_to(root)), 0
    for line, text in enumerate(path.read_text().splitlines(), 1):
        barriers = len(re.findall(r"(?:__sync(?:threads|warp)|cluster_synchronise)\(\);", text))
        if barriers > 1:
            sys.exit(f"{file}:{line}: this check knows one barrier a line")
        if barriers:
            number += 1
            places.append((file, number, line))
explained = set()
for line in (root / "docs" / "kernels.md").read_text().splitlines():
    if match := re.match(r"\| `([\w./]+)` \| (\d+)", line):
        explained.add((match[1], int(match[2])))
survivors = []
with ThreadPoolExecutor(os.cpu_count()) as pool:
    unharmed = pool.submit(noticed, None)
    seen_at = pool.map(noticed, [f"{file}:{line}" for file, _, line in places])
    for (file, number, line), seen in zip(places, seen_at):
        print("noticed " if seen else "SURVIVED", file, number, f"(line {line})", flush=True)
        if not seen:
            survivors.append((file, number))
if unharmed.result():
    sys.exit("the tests fail with every barrier in its place")
print(f"{len(places) - len(survivors)} of {len(places)} missing barriers noticed")
unexplained = [s for s in survivors if s not in explained]
if not places or len(survivors) > 0.05 * len(places) or unexplained:
    sys.exit(f"too many survivors, or some without a line in docs/kernels.md: {unexplained}")

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


def failure(which, part=None, omitted=None):
    """The first of the tests (a filter, and the part of them) that fails, without the barrier at FILE:LINE if one is given."""
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    if omitted:
        environment["PERTURBINE_OMIT_BARRIER"] = omitted
    if part is not None:
        environment |= {"GTEST_TOTAL_SHARDS": str(parts), "GTEST_SHARD_INDEX": str(part)}
    try:
        run = subprocess.run([program, f"--gtest_filter={which}", "--gtest_fail_fast"], cwd=root, capture_output=True, text=True,
                             timeout=600, env=environment)
        if run.returncode == 0:
            return None
        output = run.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode()
    # A race ends the program in the midst of a test, wrong numbers at its end.
    return (re.findall(r"\[  FAILED  \] (\S+)", output) or re.findall(r"\[ RUN      \] (\S+)", output)[-1:] or ["none"])[0]


def noticed(place):
    """The first emulated test that fails without a barrier, if any. First those that are called like the kernel, its file or their
    first words, then every 24th test and the others: some of every operation are among the first."""
    file, _, line, kernel = place
    calls = []
    for name in [kernel, Path(file).stem.rstrip("s")]:
        words = name.split("_") if name else []
        calls += ["_".join(words[:n]) for n in range(len(words), 0, -1)]
    runs = [(f"emulated/*{call}*-{slow}", None) for call in dict.fromkeys(calls)]
    runs += [(f"emulated/*-{slow}", part) for part in range(parts)]
    return next((test for which, part in runs if (test := failure(which, part, f"{file}:{line}"))), None)


places = []  # (file, number of the barrier in the file, line, kernel)
for path in sorted([*(root / "kernels").glob("*/*.cu"), *(root / "kernels").glob("*/*.cuh")]):
    if path.parent.name == "cuda" or path.name.endswith("_library.cu"):  # no part of the emulator
        continue
    file, number, kernel, heading = str(path.relative_to(root)), 0, "", ""
    for line, text in enumerate(path.read_text().splitlines(), 1):
        heading = text if text.startswith("__global__") else heading + text
        if name := re.match(r"__global__ void (?:__launch_bounds__\([^)]*\) *)?([a-z]\w*)\(", heading):
            kernel, heading = name[1], ""
        barriers = len(re.findall(r"(?:__sync(?:threads|warp)|cluster_synchronise)\(\);", text))
        if barriers > 1:
            sys.exit(f"{file}:{line}: this check knows one barrier a line")
        if barriers:
            number += 1
            places.append((file, number, line, kernel))
explained = set()
for line in (root / "docs" / "kernels.md").read_text().splitlines():
    if match := re.match(r"\| `([\w./]+)` \| (\d+)", line):
        explained.add((match[1], int(match[2])))
survivors = []
with ThreadPoolExecutor(os.cpu_count()) as pool:
    witnesses = set()
    for (file, number, line, _), test in zip(places, pool.map(noticed, places)):
        print("noticed " if test else "SURVIVED", file, number, f"(line {line}{f', by {test}' if test else ''})", flush=True)
        if test:
            witnesses.add(test)
        else:
            survivors.append((file, number))
if witnesses and (test := failure(":".join(witnesses))):
    sys.exit(f"{test} fails with every barrier in its place")
print(f"{len(places) - len(survivors)} of {len(places)} missing barriers noticed")
unexplained = [s for s in survivors if s not in explained]
if not places or len(survivors) > 0.05 * len(places) or unexplained:
    sys.exit(f"too many survivors, or some without a line in docs/kernels.md: {unexplained}")

"""clang-tidy over many files at little more than the cost of a few: nearly all of its time goes into the headers that each file includes.

Files of one part and the same flags are read as one unit, a file that includes them, where no two define the same
name. A unit in which anything is found, if only that it does not compile, is done again file by file: those findings are
what is printed."""
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

build = Path(sys.argv[1])  # with its compile_commands.json
files = sys.argv[2:]
units = Path("out/tidy")
most = 12  # files of a unit
headers = re.search(r"HeaderFilterRegex: '(.*)'", Path(".clang-tidy").read_text())[1]


def names(path):
    """What a file defines at its top level, as far as the start of its lines tells. Functions of one name for every
    operation (run, execute) are overloads, and meet in peace."""
    found = set()
    for line in path.read_text().splitlines():
        line = re.sub(r"^template <[^>]*>+ ?", "", line)
        if test := re.match(r"(?:TEST|TEST_F|TEST_P|INSTANTIATE\w+)\((\w+), (\w+)", line):
            found.add("_".join(test.groups()))
        elif re.match(r"[A-Za-z]", line) and not re.match(r"(using )?namespace|PERTURBINE_", line):
            found.update(re.findall(r"(?<![:\w])([A-Za-z]\w*)(?= ?[({=;\[])", line))
            found.update(re.findall(r"\b(?:struct|class|enum|union|using)\s+(?:class\s+)?(\w+)\b(?!::)", line))
        elif macro := re.match(r"#define (\w+)", line):
            found.add(macro[1])
    return found - {"run", "execute", "const", "class", "struct", "requires", "noexcept", "operator", "void", "false", "float"}


def flags(command):
    """A command without what it compiles."""
    return re.sub(r" -o \S+ -c \S+$", "", command)


def tidy(folder, path, *options):
    run = subprocess.run(["clang-tidy", "-p", folder, "--quiet", "--extra-arg=-Wno-everything", "--extra-arg=-Wshadow", *options, path],
                         capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stdout + run.stderr + f"clang-tidy ended with {run.returncode} on {path}\n"


commands = {}
for entry in json.loads((build / "compile_commands.json").read_text()):
    commands.setdefault(os.path.relpath(entry["file"]), flags(entry["command"]))
groups = []  # (part, flags), files, names
for file in files:
    mine, key = names(Path(file)), (Path(file).parts[0], commands.get(file))
    for group in groups:
        if group[0] == key and len(group[1]) < most and not group[2] & mine:
            break
    else:
        groups.append(group := (key, [], set()))
    group[1].append(file)
    group[2].update(mine)
units.mkdir(parents=True, exist_ok=True)
entries = []
for number, ((_, command), members, _) in enumerate(groups):
    unit = (units / f"{number}.cpp").resolve()
    unit.write_text("".join(f'#include "{Path(member).resolve()}"  // NOLINT\n' for member in members))
    if command:
        entries.append({"directory": str(build.resolve()), "file": str(unit), "command": f"{command} -c {unit}"})
(units / "compile_commands.json").write_text(json.dumps(entries))


# A name of a file that is read in the same unit is not hidden by that of another.
neighbours = re.compile(r"^(\S+?\.cpp):\d+:\d+: error: [^\n]*\[clang-diagnostic-shadow[^\n]*\n(?:[^\n]*\n){2}(?!\1)\S+\.cpp:\d+:\d+: note: ", re.M)


def check(number):
    members = groups[number][1]
    if len(members) > 1 and groups[number][0][1]:
        said = tidy(units, units / f"{number}.cpp", f"--header-filter={headers}|\\.cpp$")
        rest = neighbours.sub("", said)
        if not said or (rest != said and not re.search(r": (?:error|warning): ", rest)):
            return ""
    return "".join(tidy(build, member) for member in members)


with ThreadPoolExecutor(os.cpu_count()) as pool:
    order = sorted(range(len(groups)), key=lambda number: -len(groups[number][1]))  # the longest first
    found = "".join(pool.map(check, order))
if found:  # a run that failed without naming a line is shown whole
    print("\n".join(sorted(set(re.findall(r".*(?:error|warning):.*", found)))) or found)
else:
    print(f"clang-tidy finds nothing in {len(files)} files (read as {len(groups)})")
sys.exit(bool(found))

#!/bin/sh
# Runs the README's screen of commands, as they stand there, in an empty folder: tests/long/readme_commands.sh PROGRAM
set -eu
p=$(realpath "$1")
readme=$(realpath "$(dirname "$0")/../../README.md")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
grep '^    \$p ' "$readme" >commands
count=0
while read -r line; do
  # A comment ends the command; words in quotes stay together.
  eval "${line%%  #*} --quiet" >output 2>&1 </dev/null || { echo "README: $line: failed" >&2; cat output >&2; exit 1; }
  count=$((count + 1))
done <commands
[ "$count" -ge 12 ] || { echo "README: only $count commands were found" >&2; exit 1; }
for made in cells.h5ad small.h5ad split.json out/table/report.html out/study/report.html generated.h5ad changed.h5ad effects.csv labels.csv out/scores; do
  [ -e "$made" ] || { echo "README: its commands made no $made" >&2; exit 1; }
done
echo "$count commands of the README ran"

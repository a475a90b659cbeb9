# Sourced by the scripts of this folder: installs what is missing, configures and builds. Needs only a shell.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
say() { printf '%s\n' "$*" >&2; }
# stage WHAT: says what comes now, and how long after the start of the outermost script.
: "${PERTURBINE_STARTED:=$(date +%s)}"
export PERTURBINE_STARTED
stage() { say "[$(($(date +%s) - PERTURBINE_STARTED)) s] $*"; }

# need PACKAGE...: installs those Debian or Ubuntu packages that are not there; says which; changes nothing otherwise.
need() {
  missing=""
  for p in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$p" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $p"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 || { say "these packages are needed and apt-get is not here to install them:$missing"; exit 1; }
  say "installing through apt-get:$missing"
  if [ "$(id -u)" = 0 ]; then as_root=""; else
    command -v sudo >/dev/null 2>&1 || { say "neither root nor sudo; ask an administrator to install:$missing"; exit 1; }
    as_root=sudo
  fi
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

build_packages="g++ cmake ninja-build ccache libdnnl-dev libhdf5-dev zlib1g-dev libzstd-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libeigen3-dev"
test_packages="libgtest-dev"
bench_packages="libbenchmark-dev"

# The build for ThreadSanitizer: without a library of products, whose threads it does not know.
tsan_options="-DPERTURBINE_SANITIZE=thread -DPERTURBINE_CORE_ONLY=OFF -DPERTURBINE_CUDA=OFF -DPERTURBINE_BLAS=none"

# (Several files at a time, see cmake/JoinSources.cmake; that is kept in the folder, a plain cmake in a new one does not do it.)
# build FOLDER TARGETS [CMAKE OPTIONS...]: configures once, then builds the targets ("all" for everything).
build() { build_project . "$@" -DPERTURBINE_JOIN_SOURCES=ON; }
# build_project SOURCE FOLDER TARGETS [CMAKE OPTIONS...]: the same of another project than the whole.
build_project() {
  source=$1 folder=$2 targets=$3
  shift 3
  cmake -G Ninja -S "$source" -B "$folder" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
  cmake --build "$folder" --target $targets >"$folder.log" 2>&1 || { grep -E 'error|FAILED|warning' "$folder.log" >&2 || tail -n 40 "$folder.log" >&2; exit 1; }
}
mkdir -p build out

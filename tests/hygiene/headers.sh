#!/usr/bin/env bash
# Compiles every header alone, included twice, and prints what that costs in seconds. Then: all headers in two programs'
# worth of translation units, linked together; and conv2d.hpp, which must get along with Eigen.
#   tests/hygiene/headers.sh [COMPILER]
set -euo pipefail
cd "$(dirname "$0")/../.."

export compiler=${1:-${CXX:-c++}} CPATH=${CPATH:-/usr/include/eigen3}
mapfile -t headers < <(cd include && find nlcl -name '*.hpp' | sort)
failures=0

include() { printf '#include "%s"\n' "$@"; }
compile() { "$compiler" -std=c++20 -Iinclude -x c++ "$@"; }
alone() {
  local begin=${EPOCHREALTIME/[.,]/} status=0
  include "$1" "$1" | compile -fsyntax-only - || status=1
  local milliseconds=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
  printf '%4d.%03d  %s\n' $((milliseconds / 1000)) $((milliseconds % 1000)) "$1"
  return $status
}
export -f include compile alone

printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I {} bash -c 'alone {}' || failures=$((failures + 1))

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{ include "${headers[@]}" && echo 'int main() {}'; } | compile -c - -o "$scratch/a.o" &&
  include "${headers[@]}" | tac | compile -c - -o "$scratch/b.o" &&
  "$compiler" "$scratch/a.o" "$scratch/b.o" -pthread -o "$scratch/linked" ||
  { echo "two translation units with all headers do not link" && failures=$((failures + 1)); }

used=$(include nlcl/ops/conv2d.hpp | compile -M -)
if grep -E '/(stb|nlohmann|CLI)/' <<<"$used"; then
  echo "nlcl/ops/conv2d.hpp needs more than Eigen" && failures=$((failures + 1))
fi

echo "${#headers[@]} headers, $failures failures"
((failures == 0))

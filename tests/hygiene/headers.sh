#!/usr/bin/env bash
# Compiles every header alone, included twice, and prints what that costs in seconds. Then: all headers in two programs'
# worth of translation units, linked together; and conv2d.hpp, which must get along with Eigen.
#   tests/hygiene/headers.sh [COMPILER...]
set -euo pipefail
cd "$(dirname "$0")/../.."

compilers=("${@:-${CXX:-c++}}")
export CPATH=${CPATH:-/usr/include/eigen3}
mapfile -t headers < <(cd include && find nlcl -name '*.hpp' | sort)
failures=0

include() { printf '#include "%s"\n' "$@"; }
compile() { local compiler=$1; shift; "$compiler" -std=c++20 -Iinclude -x c++ "$@"; }

printf '%12s' "${compilers[@]##*/}" && echo
for header in "${headers[@]}"; do
  for compiler in "${compilers[@]}"; do
    begin=${EPOCHREALTIME/[.,]/}
    include "$header" "$header" | compile "$compiler" -fsyntax-only - || failures=$((failures + 1))
    milliseconds=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    printf '%8d.%03d' $((milliseconds / 1000)) $((milliseconds % 1000))
  done
  echo "  $header"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for compiler in "${compilers[@]}"; do
  { include "${headers[@]}" && echo 'int main() {}'; } | compile "$compiler" -c - -o "$scratch/a.o" &&
    include "${headers[@]}" | tac | compile "$compiler" -c - -o "$scratch/b.o" &&
    "$compiler" "$scratch/a.o" "$scratch/b.o" -pthread -o "$scratch/linked" ||
    { echo "$compiler: two translation units with all headers do not link" && failures=$((failures + 1)); }
done

used=$(include nlcl/ops/conv2d.hpp | compile "${compilers[0]}" -M -)
if grep -E '/(stb|nlohmann|CLI)/' <<<"$used"; then
  echo "nlcl/ops/conv2d.hpp needs more than Eigen" && failures=$((failures + 1))
fi

echo "${#headers[@]} headers, $failures failures"
((failures == 0))

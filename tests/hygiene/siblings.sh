#!/usr/bin/env bash
# One op, one page, and what belongs to it: says what each op of include/nlcl/ops/ lacks. An op whose kernels fill more than
# a page has a folder of its name beside it, all of which it includes.
set -euo pipefail
cd "$(dirname "$0")/../.."

incomplete=0
headers=(include/nlcl/ops/*.hpp)
for header in "${headers[@]}"; do
  op=$(basename "$header" .hpp)
  lacks=()
  for file in "tests/ops/$op.cpp" "cuda/nlcl/ops/$op.cuh"; do
    [ -e "$file" ] || lacks+=("$file")
  done
  grep -qs "golden" "tests/ops/$op.cpp" || lacks+=("tests/ops/$op.cpp: golden values")
  grep -qs "\"nlcl/ops/$op\.cuh\"" cuda/nlcl/nlcl_cuda.cu || lacks+=("cuda/nlcl/nlcl_cuda.cu: its .cuh")
  grep -qs "ops/$op\.hpp" docs/*.md || lacks+=("docs/*.md: a chapter on ops/$op.hpp")
  grep -qsrw "$op" tools/nlcl-bench.cpp tests/bench || lacks+=("tools/nlcl-bench.cpp: a line for $op")

  for part in include/nlcl/ops/"$op"/*.hpp cuda/nlcl/ops/"$op"/*.cuh; do
    [ -e "$part" ] || continue
    grep -qsrF "\"${part#*/}\"" "${part%%/*}/nlcl/ops/$op" "${part%%/*}/nlcl/ops/$op.${part##*.}" || lacks+=("an include of $part")
  done

  if [ ${#lacks[@]} -gt 0 ]; then
    incomplete=$((incomplete + 1))
    printf '%s lacks\n' "$op"
    printf '  %s\n' "${lacks[@]}"
  fi
done

for folder in include/nlcl/ops/*/ cuda/nlcl/ops/*/; do
  op=$(basename "$folder")
  [ -e "include/nlcl/ops/$op.hpp" ] || { echo "$folder belongs to no op" && incomplete=$((incomplete + 1)); }
done

echo "${#headers[@]} ops, $incomplete of them incomplete"
((incomplete == 0))

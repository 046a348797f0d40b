#!/usr/bin/env bash
# All tests, from a fresh checkout: installs what is missing, builds the tests and what they run, and prints the count.
set -euo pipefail
cd "$(dirname "$0")/.."

. tools/packages.sh
need_packages "${build_packages[@]}" catch2
options=()
nvidia-smi -L >/dev/null 2>&1 || options+=(-DNLCL_CUDA=OFF)  # in emulation there is nothing to do for nvcc
cmake --preset test "${options[@]}"
cmake --build --preset test --parallel "$(nproc)"

status=0
ctest --preset test --parallel "$(nproc)" --output-junit test-results.xml || status=$?
count() { grep -m1 -oP "^\s*$1=\"\K[0-9]+" build-test/test-results.xml; }
tests=$(count tests)
failed=$(count failures)
skipped=$(count skipped)
if ((skipped > 0)); then
  echo "$skipped skipped: the data that they need is not there"
fi
echo "$((tests - failed - skipped)) passed, $failed failed"
exit $status

#!/usr/bin/env bash
# Uses the library as others would: installed and found by find_package, and as a subdirectory of the sources.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cmake -S "$root" -B library -DNLCL_TOOLS=OFF -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF -DNLCL_CUDA=OFF
cmake --install library --prefix "$scratch/prefix"
cmake -S "$root/tests/hygiene/consumer" -B installed -DCMAKE_PREFIX_PATH="$scratch/prefix"
cmake --build installed
cmake -S "$root/tests/hygiene/consumer" -B subdirectory -DNLCL_SOURCE_DIR="$root"
cmake --build subdirectory
for build in installed subdirectory; do
  ./$build/core
  ./$build/whole
done

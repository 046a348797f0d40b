#!/usr/bin/env bash
# Builds the tests for a GPU and packs them for a machine that has one but no compiler: Linux on x86-64 with AVX2, glibc of
# the building machine or later, a GPU of compute capability 9.0. There: tar xf nlcl-gpu.tar.gz && nlcl/tests/gpu.sh OUT
#   tests/gpu-pack.sh ARCHIVE.tar.gz
set -euo pipefail

[ $# = 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
archive=$(realpath "$1")
cd "$(dirname "$0")/.."
cmake --preset gpu && cmake --build --preset gpu --parallel "$(nproc)"

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
mkdir -p "$staging/nlcl/build-gpu/bin"
cp -r build-gpu/bin/. "$staging/nlcl/build-gpu/bin/"
git ls-files tests/gpu.sh tests/golden tests/fuzz/corpus tests/reference models docs | xargs cp --parents -t "$staging/nlcl"
for file in golden/official_step.safetensors official/latest_net_Back.pth official/latest_net_Rain.pth; do
  [ ! -e "../shared/$file" ] || (cd .. && cp --parents "shared/$file" "$staging")
done
tar -C "$staging" -cf - . | gzip -6 >"$archive"
du -h "$archive"

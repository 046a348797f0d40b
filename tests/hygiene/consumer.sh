#!/usr/bin/env bash
# Uses the library as others would: installed and found by find_package, there with the CUDA backend too where there is an
# nvcc, and as a subdirectory of the sources.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cmake -S "$root" -B library -DNLCL_TOOLS=OFF -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF -DNLCL_CUDA=OFF
cmake --install library --prefix "$scratch/prefix"

use() {  # use BUILD OPTION...
  cmake -S "$root/tests/hygiene/consumer" -B "$@"
  cmake --build "$1"
  local program
  for program in core whole ${on_cuda:+on_cuda}; do
    ./"$1"/"$program"
  done
}
installed=(-DCMAKE_PREFIX_PATH="$scratch/prefix")
export PATH=$PATH:/usr/local/cuda/bin
if command -v nvcc; then  # that the kernels are fast is another matter
  installed+=(-DON_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=80 -DCMAKE_CUDA_FLAGS="-Xcicc -O1 -Xptxas -O0")
  on_cuda=yes
fi
use installed "${installed[@]}"
on_cuda=
use subdirectory -DNLCL_SOURCE_DIR="$root"

#!/usr/bin/env bash
# The tests run the CUDA kernels on the GPU where there are nvcc and a GPU, and in emulation everywhere else.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# expect WHERE GPUS OPTION...: what a fresh configuration says on a machine with so many GPUs
expect() {
  local where=$1 gpus=$2
  shift 2
  printf '#!/bin/sh\n[ %d -gt 0 ]\n' "$gpus" >"$scratch/nvidia-smi"
  chmod +x "$scratch/nvidia-smi"
  rm -rf "$scratch/build"
  PATH=$scratch:$PATH cmake -S "$root" -B "$scratch/build" -DNLCL_TOOLS=OFF -DNLCL_EXAMPLES=OFF "$@" >"$scratch/log" 2>&1 ||
    { cat "$scratch/log" && exit 1; }
  grep -F "Tests: the CUDA kernels $where" "$scratch/log" ||
    { echo "$gpus GPUs, $*: expected that the kernels $where" && exit 1; }
}

expect "run in emulation" 1 -DNLCL_CUDA=OFF
expect "are left out" 0 -DNLCL_CUDA=OFF -DNLCL_EMULATE_CUDA=OFF
if grep -q '^NLCL_NVCC:FILEPATH=.*nvcc$' "$scratch/build/CMakeCache.txt"; then
  expect "run on the GPU" 1 -DNLCL_CUDA=ON
  [ -e /dev/nvidia0 ] || expect "run in emulation" 0 -DNLCL_CUDA=ON
fi

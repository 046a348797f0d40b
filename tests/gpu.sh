#!/usr/bin/env bash
# Everything that needs a GPU, in parts of at most ten minutes, each with its log OUT/PART.log and a line of summary.
#   tests/gpu.sh OUT [PART...]
#     tests      all tests, the kernels on the device, whole training steps among them
#     golden     one step of training against the authors' own, in three precisions (needs ../shared)
#     memcheck racecheck synccheck initcheck
#                the tests of the kernels under each tool of compute-sanitizer
#     bench      every benchmark, in three precisions
#     profile    every kernel of the plan and of a step, where ncu is there, as OUT/profile*.csv
#     compare    generator and training step against PyTorch, where it is there
# Without a PART: all of them. The programs are those of `cmake --build --preset gpu`, which is called where they are not
# there; tests/gpu-pack.sh carries them to a machine that has no compiler.
set -uo pipefail

if [ $# -lt 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
shift
cd "$(dirname "$0")/.."
export out bin=$PWD/build-gpu/bin shared=${NLCL_SHARED_DIR:-$PWD/../shared} precisions="float32 tf32 bf16"
export NLCL_SOURCE_DIR=$PWD NLCL_BIN_DIR=$bin NLCL_SHARED_DIR=$shared PATH=$PATH:/usr/local/cuda/bin

nvidia-smi -L || { echo "no GPU on this machine" >&2; exit 2; }
if [ ! -x "$bin/nlcl-tests" ]; then
  cmake --preset gpu && cmake --build --preset gpu --parallel "$(nproc)" || exit 1
fi

tests() {
  local status=0
  "$bin/nlcl-tests" "[cuda],[long],[ops]" --durations yes || status=1
  "$bin/examples/convolution_on_cuda" 35 50 || status=1
  "$bin/nlcl-tests" "~[cuda]~[long]~[ops]" --durations yes || status=1
  return $status
}

golden() {
  local precision status=0
  [ -e "$shared/golden/official_step.safetensors" ] || { echo "skipped: no reference in $shared"; return 0; }
  for precision in $precisions; do
    echo "$precision"
    "$bin/nlcl-golden-step" "$shared/golden/official_step.safetensors" "$shared/official/latest_net_Back.pth" \
      "$shared/official/latest_net_Rain.pth" --device cuda:0 --precision "$precision" || status=1
  done
  return $status
}

under() {  # under TOOL OPTION...
  command -v compute-sanitizer >/dev/null || { echo "skipped: no compute-sanitizer"; return 0; }
  compute-sanitizer --tool "$@" --error-exitcode 9 --print-limit 20 "$bin/nlcl-tests" "[cuda]~[long],[ops]"
}
memcheck() { under memcheck --leak-check no; }
racecheck() { under racecheck --racecheck-report analysis; }
synccheck() { under synccheck; }
initcheck() { under initcheck; }

bench() {
  local precision status=0
  for precision in $precisions; do
    "$bin/nlcl-bench" --device cuda:0 --precision "$precision" --height 256 --width 256 --repeat 20 || status=1
  done
  return $status
}

profile() {  # time and traffic of every launch; then, of the passes of the plan, where each instruction waits
  command -v ncu >/dev/null || { echo "skipped: no ncu"; return 0; }
  local name asked="ncu --clock-control none --cache-control none"
  local bench="$bin/nlcl-bench --device cuda:0 --precision bf16 --repeat 1"
  for name in generator-512x1024 training-step; do
    $asked --metrics gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum,smsp__inst_executed.sum \
      --launch-count 1000 --csv --page raw --log-file "$out/profile-$name.csv" $bench "$name" || return 1
  done
  $asked --section SpeedOfLight --section WarpStateStats --section SourceCounters --section Occupancy --launch-skip 4 \
    --kernel-name conv2d_block --launch-count 2 --force-overwrite --export "$out/profile" $bench generator-512x1024 || return 1
  ncu --import "$out/profile.ncu-rep" --page details
  ncu --import "$out/profile.ncu-rep" --page source --csv >"$out/profile-source.csv"
}

compare() {
  python3 -c 'import torch' 2>/dev/null || { echo "skipped: no PyTorch"; return 0; }
  python3 tests/reference/compare_cuda.py --nlcl "$bin/nlcl-bench" --rounds 1 --sizes 512x1024 --batches 1 \
    --modes "tf32, eager, channels last, graph" "bf16, eager, channels last, graph" "bf16, eager, channels last"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(tests golden memcheck racecheck synccheck initcheck bench profile compare)
export -f tests golden under memcheck racecheck synccheck initcheck bench profile compare
failed=0
for part in "${parts[@]}"; do
  begin=$SECONDS word=ok
  timeout "${NLCL_PART_SECONDS:-600}" bash -c "$part" >"$out/$part.log" 2>&1 || { word=FAILED && failed=1; }
  printf '%5d s  %-6s  %s\n' $((SECONDS - begin)) $word "$part"
  [ $word = ok ] || tail -n 25 "$out/$part.log"
done
exit $failed

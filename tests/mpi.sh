#!/usr/bin/env bash
# nlcl-train in several processes: whatever the number of them, to the byte the files of one; and whatever befalls one of
# them, all end soon, and the run goes on as if nothing had been.
#   tests/mpi.sh BIN [KILLS]
# BIN has nlcl-train, built with NLCL_MPI, and nlcl-synth. A process is killed KILLS times (default: 6).
set -euo pipefail

[ $# = 1 ] || [ $# = 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$(realpath "$1")
kills=${2:-6}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

mkdir dry
for seed in 1 2 3; do
  "$bin/nlcl-synth" -i "$root/tools/web/sample.jpg" -o dry/$seed.png --seed $seed --shrink 160 --quiet
done
"$bin/nlcl-synth" -i dry -o rainy --quiet

train() { "$bin/nlcl-train" --quiet -j 1 "$@"; }
ranks() {  # ranks N OPTION...: for a minute at most
  timeout 60 mpirun --oversubscribe --bind-to none -n "$1" "$bin/nlcl-train" --quiet -j 1 "${@:2}"
}
begin=(--rainy rainy --clean dry --image-memory 0 --crop 40 --accumulate 4 --average 0.9 --device cpu)
fail() { echo "tests/mpi.sh: $*" >&2 && exit 1; }

same() {  # same RUN RUN: everything that a run is, but the time that it took
  local file
  for file in checkpoints clean.safetensors rain.safetensors; do
    diff -rq "$1/$file" "$2/$file" || fail "$2/$file is not $1/$file"
  done
  diff <(sed 's/"seconds":[^,}]*//' "$1/log.jsonl") <(sed 's/"seconds":[^,}]*//' "$2/log.jsonl") || fail "$2 has another log"
}

# ---- As many as there may be

for objective in asymmetric cvpr2022; do
  for drawn in 0 1; do
    options=("${begin[@]}" --objective "$objective" --drawn-weight "$drawn" --steps 2)
    train "${options[@]}" -o "one-$objective-$drawn"
    for count in 2 4; do
      ranks $count "${options[@]}" -o "$count-$objective-$drawn"
      same "one-$objective-$drawn" "$count-$objective-$drawn"
    done
    echo "$objective, drawn rain $drawn: 2 and 4 processes write what one does"
  done
done

# ---- What cannot be: rank 0 says it, once

once() {  # once PATTERN: a line of what was said
  [ "$(grep -c "$1" said)" = 1 ] || { cat said && fail "not said once: $1"; }
}
says() {  # says WORDS COMMAND...
  local code=0
  "${@:2}" >said 2>&1 || code=$?
  [ $code != 0 ] && [ $code != 124 ] || fail "expected an error, found $code: ${*:2}"
  once "^nlcl-train: .*$1"
}
says 'expected a multiple of 3' ranks 3 "${begin[@]}" -o x
says 'no such folder' ranks 2 --rainy nowhere --clean dry -o x
says 'nowhere' ranks 2 "${begin[@]}" --start nowhere -o x
[ ! -e x ] || fail "a run was begun that cannot be"

# ---- What befalls one of them

process() {  # process RUN RANK: its number, as soon as there is one
  local id
  while kill -0 $job 2>/dev/null; do
    for id in $(pgrep -f -- "nlcl-train .*$1"); do
      tr '\0' '\n' <"/proc/$id/environ" 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$2" && echo "$id" && return
    done
    sleep 0.05
  done
}
begin_ranks() {  # begin_ranks N OPTION...: beside this script; `ended` says how they end
  ranks "$@" >said 2>&1 &
  job=$!
}
ended() {  # ended CODE WHY
  local code=0
  wait $job || code=$?
  [ $code = "$1" ] || { cat said && fail "$2: exit code $code, expected $1"; }
}

after_a_step() {  # after_a_step RUN: when it has another checkpoint than it had
  local before
  before=$(ls "$1/checkpoints" 2>/dev/null || true)
  begin_ranks "${@:2}"
  while kill -0 $job 2>/dev/null && [ "$(ls "$1/checkpoints" 2>/dev/null)" = "$before" ]; do sleep 0.05; done
}

# A run without end, at any moments after a step, and now and then while it begins. How far it comes depends on the machine,
# and then what it is compared with.
endless=("${begin[@]}" --decay 0 --save-every 1 --keep 1)
for ((i = 0; i < kills; ++i)); do
  if [ -d killed/checkpoints ]; then how=(--resume killed); else how=("${endless[@]}" --steps 1000000 -o killed); fi
  if ((i % 5 == 4)); then begin_ranks 2 "${how[@]}"; else after_a_step killed $((2 + i % 2 * 2)) "${how[@]}"; fi
  sleep "$((RANDOM % 2)).$((RANDOM % 10))"
  kill -KILL "$(process killed $((i / 2 % 2)))"
  ended 137 "a process was killed"
done
last=$(find killed/checkpoints -name '*[0-9].safetensors' -printf '%f\n' | sort | tail -n 1) last=${last//[^0-9]/}
steps=$((10#$last + 2))
train "${endless[@]}" --steps $steps -o whole-of-killed
ranks 2 --resume killed --steps $steps
same whole-of-killed killed
echo "killed $kills times within $steps steps, and it writes what one process does that nobody stops"

steps=(--steps 9 --save-every 1 --keep 1)
train "${begin[@]}" "${steps[@]}" -o whole

befall() {  # befall RUN N CODE HARM...: N processes, to which HARM is done when there is a checkpoint
  after_a_step "$1" "$2" "${begin[@]}" "${steps[@]}" -o "$1"
  "${@:4}"
  ended "$3" "$1"
}
stop_the_last() { kill -INT "$(process stopped 3)"; }

befall stopped 4 130 stop_the_last
ranks 2 --resume stopped
same whole stopped
echo "Ctrl-C to one of them stops all after the same step"

befall missing 2 1 mv rainy gone
once '^nlcl-train: .*rainy/'
mv gone rainy
ranks 2 --resume missing
same whole missing
echo "images that are gone stop all, and cost no step"

befall full 2 1 ln -sf /dev/full full/log.jsonl
once '^nlcl-train: cannot write full/log.jsonl'
rm full/log.jsonl
ranks 2 --resume full
diff -r whole/checkpoints full/checkpoints
echo "a disk that is full stops all, and costs no checkpoint"

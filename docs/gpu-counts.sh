#!/usr/bin/env bash
# Prints docs/gpu-counts.md, what can be known of the CUDA backend without a GPU:
#   docs/gpu-counts.sh COUNTER LIBRARY >docs/gpu-counts.md    COUNTER: nlcl-bench-emulated, of the tests
#                                                             LIBRARY: libnlcl_cuda.a for sm_90a, of --preset gpu
#   docs/gpu-counts.sh check COUNTER                          whether COUNTER still counts what is written there
# The second half needs cuobjdump and nvdisasm, which come with CUDA.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
page=docs/gpu-counts.md

if [ $# -ne 2 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
  exit 2
fi

# What the emulated device is asked for.
calls() {
  local precision
  for precision in tf32 bf16; do
    "$1" --count --device cuda:0 --precision "$precision" generator-512x1024 generator-tiles-512x1024 training-step
    echo
  done
  "$1" --count --device cuda:0 --precision tf32 training-step | sed '1,/^$/d'
  echo
  "$1" --count --device cuda:0 --precision tf32 residual_block \
    conv2d-{forward,data-gradient,weight-gradient}-3x3-{3-32,32-32,32-3} \
    conv2d-{forward,data-gradient,weight-gradient}-4x4-64-128 \
    {instance_norm,relu,leaky_relu,blur_down,scale}-{forward,backward} sum-forward \
    patch_search gather_patches linear l2_normalize patch_nce layer_contrast pixel_losses
}

# What the compiler made of each kernel. Its inner loop: of the loops that hold no other, the one that multiplies most,
# else the longest.
kernels() {
  echo "| kernel | registers | spilled | shared | inner loop | products | moves |"
  echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
  { cuobjdump -arch sm_90a -res-usage "$1" 2>&1; cuobjdump -arch sm_90a -sass "$1"; } | awk '
    function number(hex,  i, value) {
      for (i = 1; i <= length(hex); ++i) value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
      return value
    }
    function end_of_function(  i, j, holds, best, size) {
      if (name == "") return
      for (i = 1; i <= loops; ++i) {
        holds = 0
        for (j = 1; j <= loops; ++j)
          if (j != i && from[j] >= from[i] && to[j] <= to[i] && to[j] - from[j] < to[i] - from[i]) holds = 1
        if (holds) continue
        size = (products[to[i]] - products[from[i] - 16]) * 1000000 + to[i] - from[i]
        if (size > best) {
          best = size
          loop[name] = (to[i] - from[i]) / 16 + 1
          product[name] = products[to[i]] - products[from[i] - 16]
          move[name] = moves[to[i]] - moves[from[i] - 16]
        }
      }
      name = ""
    }
    /^ *Function .*:$/ { end_of_function(); resource = $2; sub(/:$/, "", resource) }
    /REG:/ {
      match($0, /REG:[0-9]+/); registers = substr($0, RSTART + 4, RLENGTH - 4)
      match($0, /LOCAL:[0-9]+/); spilled = substr($0, RSTART + 6, RLENGTH - 6)
      match($0, /STACK:[0-9]+/); spilled += substr($0, RSTART + 6, RLENGTH - 6)
      match($0, /SHARED:[0-9]+/); shared = substr($0, RSTART + 7, RLENGTH - 7)
      use[resource] = registers " | " spilled " | " shared
    }
    /^\t*\t\tFunction : / { end_of_function(); name = $3; loops = 0; split("", products); split("", moves); p = m = 0; last = -16 }
    /^ +\/\*[0-9a-f]+\*\/ / {
      match($0, /\/\*[0-9a-f]+\*\//); at = number(substr($0, RSTART + 2, RLENGTH - 4))
      code = substr($0, RSTART + RLENGTH); sub(/\/\*.*/, "", code); sub(/^ *(@!?U?P[0-9T]+ +)?/, "", code)
      products[last] = p; moves[last] = m
      if (code ~ /^(HMMA|FFMA|DFMA)/) ++p
      if (code ~ /^(I?MOV|IMAD\.MOV)/) ++m
      products[at] = p; moves[at] = m; last = at
      if (code ~ /^BRA/ && match(code, /0x[0-9a-f]+/)) {
        target = number(substr(code, RSTART + 2, RLENGTH - 2))
        if (target < at) { ++loops; from[loops] = target; to[loops] = at }
      }
    }
    END {
      end_of_function()
      for (n in use)
        print n " | " use[n] " | " (n in loop ? loop[n] " | " product[n] " | " move[n] : "| |") " |"
    }' | c++filt | sed -E 's/^(void )?/| `/; s/nlcl::(cuda::|detail::)*//g; s/detail:://g' |
    sed -E 's/\(([^|`]*)\) \| /` | /; s/> >/>>/g; s/> >/>>/g' | sort
}

if [ "$1" = check ]; then
  diff <(sed -n '/^<!-- calls -->$/,/^<!-- end -->$/p' $page | sed '1d;$d') <(calls "$2") || {
    echo "$page is not what $2 counts; docs/gpu-counts.sh writes it again" >&2
    exit 1
  }
  echo "$page has what the program counts"
  exit
fi

for tool in cuobjdump nvdisasm; do
  command -v $tool >/dev/null || { echo "docs/gpu-counts.sh: no $tool, which comes with CUDA" >&2; exit 2; }
done
cat <<'EOF'
# What a GPU is asked for, counted without one

Nothing here is measured. `docs/gpu-counts.sh` prints this page, and a test fails when the program counts otherwise.

## Calls

The tests' emulated device counts what it is asked for, and computes nothing meanwhile (`nlcl-bench-emulated --count`).
A graph that is replayed counts as what is in it: launches, copies and fills of a step of training are the nodes of its
graph, and the few copies of images, queries and losses around it. Waits are those of the host. MB: each block of memory
that a kernel is given counts once a launch, copies and fills count on each device that they touch. So it is what moves
where no cache keeps anything from one kernel to the next, each kernel takes a number once, and needs all of a block.

A step of training is one of the cvpr2022 objective on a crop of 256; what has no size in its name is 256 x 256. The
table after the first two has the kernels of such a step.

<!-- calls -->
EOF
calls "$1"
cat <<'EOF'
<!-- end -->

## Kernels

What the compiler made of each kernel for sm_90a, by `cuobjdump`: registers and spilled bytes of a thread; static shared
memory of a block in bytes, 1,024 of them the system's. The inner loop is the one with most products (matrix
instructions, or multiply-adds) of those that hold no other loop, or else the longest: its instructions, and how many of
them are products and moves between registers.

EOF
kernels "$2"

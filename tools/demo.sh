#!/usr/bin/env bash
# Shows that the method learns, from nothing but this checkout: takes free photographs, draws rain on some of them, trains
# without pairs for under three minutes on two cores, and judges the result on photographs that the training never saw.
#   tools/demo.sh [DIR]     (default: build/demo)
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
  echo "usage: tools/demo.sh [DIR]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
demo=${1:-$root/build/demo}
if [ -e "$demo/run" ]; then
  echo "$demo/run is there already: remove it, or name another folder" >&2
  exit 2
fi

. "$root/tools/packages.sh"
. "$root/tools/demo-data.sh"
need_packages "${build_packages[@]}"
{
  cmake -S "$root" --preset release -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF
  cmake --build "$root/build" --target nlcl-synth nlcl-train nlcl-eval
} >&2
PATH=$root/build/bin:$PATH

demo_data "$demo"
cd "$demo"

# A short run: small crops, a discriminator that begins awake, and less pull towards the input.
nlcl-train --rainy rainy --clean dry -o run --steps 180 --decay 45 --crop 48 --batch 4 --lr 1e-3 --discriminator-rate 0.2 \
  --discriminator-gain 0.4 --location-weight 0.1 --skip true --average 0.95 --sample-every 60 --save-every 60

nlcl-eval -i held-out/rainy -w run/clean.safetensors -t held-out/truth --sheet held-out/sheet.png --quiet
echo "Pictures, from left to right input, result, truth, error: $PWD/held-out/sheet.png"
echo "The run: $PWD/run/report.html"

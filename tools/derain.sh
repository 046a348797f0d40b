#!/usr/bin/env bash
# Takes the rain off a photograph, from a fresh checkout: installs what is missing, builds the programs and runs them.
# Prints where the picture is that shows before and after next to each other; the result alone lies beside it.
#   tools/derain.sh [PHOTO [WEIGHTS [OUT]]]
# Without PHOTO it is one under a free licence, with rain drawn on it. WEIGHTS are those built into nlcl-derain if not given.
# The result is OUT (default: PHOTO's name with -derained.png, in this folder), the picture OUT's name with -compare.png.
set -euo pipefail

if [ $# -gt 3 ] || [[ ${1:-} == -* ]]; then
  echo "usage: tools/derain.sh [PHOTO [WEIGHTS [OUT]]]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
photo=${1:-}
weights=${2:-}
for file in ${photo:+"$photo"} ${weights:+"$weights"}; do
  [ -r "$file" ] || { echo "$file: cannot be read" >&2 && exit 1; }
done

. "$root/tools/packages.sh"
need_packages "${build_packages[@]}" >&2
{
  cmake -S "$root" --preset release -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF
  cmake --build "$root/build" --target nlcl-derain nlcl-synth
} >&2

if [ -z "$photo" ]; then
  place=$root/build/photograph
  dry=$("$root/tools/photographs.sh" "$place" 1)
  photo=$place/rainy.png
  "$root/build/bin/nlcl-synth" -i "$dry" -o "$photo" --preset medium --shrink 512 --quiet
  out=$place/derained.png
else
  name=$(basename "$photo")
  out=${3:-${name%.*}-derained.png}
fi
both=${out%.*}-compare.png

"$root/build/bin/nlcl-derain" -i "$photo" -o "$out" ${weights:+-w "$weights"} --compare "$both" >&2
realpath "$both"

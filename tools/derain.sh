#!/usr/bin/env bash
# Takes the rain off a photo, from a fresh checkout: installs what is missing, builds nlcl-derain and runs it.
#   tools/derain.sh PHOTO WEIGHTS [OUT]
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "usage: tools/derain.sh PHOTO WEIGHTS [OUT]" >&2
  exit 2
fi
photo=$1
weights=$2
name=$(basename "$photo")
out=${3:-${name%.*}-derained.png}
for file in "$photo" "$weights"; do
  [ -r "$file" ] || { echo "$file: cannot be read" >&2 && exit 1; }
done

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
need_packages "${build_packages[@]}"
{
  cmake -S "$root" --preset release -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF
  cmake --build "$root/build" --target nlcl-derain
} >&2

"$root/build/bin/nlcl-derain" -i "$photo" -o "$out" -w "$weights"
realpath "$out"

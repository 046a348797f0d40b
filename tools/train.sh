#!/usr/bin/env bash
# Trains a pair of generators on a folder of rainy and a folder of clean photographs that show other things, much as
# models/real was trained (its card says how): drawn rain first, which is fast, then the whole objective, then drawn weather.
# It takes about two hours on two cores. Ctrl-C stops it after a step; called again, it goes on from there.
#   tools/train.sh RAINY CLEAN OUT [OPTION...]
# OPTIONs are those of nlcl-train that are not below, for the whole objective, such as --objective cvpr2022.
# The generators are OUT/clean.safetensors and OUT/whole/rain.safetensors, and OUT/whole/report.html shows the run.
set -euo pipefail

if [ $# -lt 3 ] || [[ $1 == -* || $2 == -* || $3 == -* ]]; then
  echo "usage: tools/train.sh RAINY CLEAN OUT [OPTION...]" >&2
  exit 2
fi
rainy=$1 clean=$2 out=$3
shift 3
for folder in "$rainy" "$clean"; do
  [ -d "$folder" ] || { echo "$folder: no such folder" >&2 && exit 2; }
done

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
need_packages "${build_packages[@]}" >&2
{
  cmake -S "$root" --preset release -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF
  cmake --build "$root/build" --target nlcl-train nlcl-convert
} >&2
mkdir -p "$out"

# train NAME OPTION...: the run OUT/NAME, from where it was.
train() {
  local run=$out/$1
  shift
  if [ -e "$run/config.toml" ]; then
    "$root/build/bin/nlcl-train" --resume "$run"
  else
    "$root/build/bin/nlcl-train" --rainy "$rainy" --clean "$clean" -o "$run" --crop 96 --skip true --average 0.99 "$@"
  fi
}

drawn_alone=(--batch 3 --drawn-weight 1 --adversarial-weight 0 --location-weight 0 --layer-weight 0
  --consistency-weight 0 --sparsity-weight 0 --discriminator-gain 0.4 --save-every 250)
train drawn "${drawn_alone[@]}" --lr 1e-3 --steps 8000 --decay 3000 --seed 1
train drawn-again "${drawn_alone[@]}" --lr 1e-3 --steps 9000 --decay 6500 --seed 2 --start "$out/drawn"

# The rest of the objective, so that real rain has a say. G_R begins here: its consistency must not pull B back to O meanwhile.
train whole --batch 2 --lr 2e-4 --steps 700 --decay 700 --seed 1 --start "$out/drawn-again" --discriminator-rate 2 \
  --discriminator-gain 0.4 --drawn-weight 5 --location-weight 0.02 --consistency-weight 0.05 --sparsity-weight 0 \
  --chroma-weight 1 --recomposition-weight 1 --recomposition-high-pass 0.5 --recomposition-threshold 0.02 --save-every 50 "$@"

# Rain as cameras see it. Mist is left alone: it is no rain. The mean of before and after is better on all kinds than either.
train weather "${drawn_alone[@]}" --drawn-rain both --drawn-mist false --lr 5e-4 --steps 4500 --decay 4200 --seed 3 \
  --start "$out/whole"
"$root/build/bin/nlcl-convert" "$out/whole/clean.safetensors" "$out/clean.safetensors" \
  --mean "$out/weather/clean.safetensors" >&2
echo "$out/clean.safetensors"

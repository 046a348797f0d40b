#!/usr/bin/env bash
# Trains a pair of generators on a folder of rainy and a folder of clean photographs that show other things, as models/real
# was trained: drawn rain first, which is fast; then, beside it, the rain that the first weights find in the rainy photographs;
# then the whole objective, and rain as cameras see it.
# It takes about two hours on two cores and five minutes on a GPU. Ctrl-C stops it after a step; called again, it goes on from
# there.
#   tools/train.sh RAINY CLEAN OUT [OPTION...]
# OPTIONs are those of nlcl-train that are not below, for the whole objective, such as --objective cvpr2022.
# NLCL_BIN_DIR: where nlcl-train, nlcl-derain and nlcl-convert are, if they need not be built.
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
bin=${NLCL_BIN_DIR:-$root/build/bin}
if [ -z "${NLCL_BIN_DIR:-}" ]; then
  . "$root/tools/packages.sh"
  need_packages "${build_packages[@]}" >&2
  {
    cmake -S "$root" --preset release -DNLCL_TESTS=OFF -DNLCL_EXAMPLES=OFF
    cmake --build "$root/build" --target nlcl-train nlcl-derain nlcl-convert
  } >&2
fi
mkdir -p "$out"

# A step on a GPU takes a fiftieth of the time, with more than twice as many crops.
if nvidia-smi -L >/dev/null 2>&1; then
  batch=8 save=5000
  drawn=(--steps 20000 --decay 14000) found=(--steps 38000 --decay 28000) weather=(--steps 5000 --decay 4700)
else
  batch=3 save=250
  drawn=(--steps 8000 --decay 3000) found=(--steps 9000 --decay 6500) weather=(--steps 4500 --decay 4200)
fi

# train NAME OPTION...: the run OUT/NAME, from where it was.
train() {
  local run=$out/$1
  shift
  if [ -e "$run/config.toml" ]; then
    "$bin/nlcl-train" --resume "$run"
  else
    "$bin/nlcl-train" --rainy "$rainy" --clean "$clean" -o "$run" --crop 96 --skip true --average 0.99 --precision bf16 "$@"
  fi
}

drawn_alone=(--batch $batch --drawn-weight 1 --adversarial-weight 0 --location-weight 0 --layer-weight 0
  --consistency-weight 0 --sparsity-weight 0 --compactness 1,1 --discriminator-gain 0.4 --log-every 10 --save-every $save)
train drawn "${drawn_alone[@]}" --lr 1e-3 "${drawn[@]}" --seed 1

# What these weights take off the rainy photographs is rain as it really looks.
"$bin/nlcl-derain" -r "$rainy" -o "$out/derained" -f ppm --skip-existing --quiet -w "$out/drawn/clean.safetensors"
train found "${drawn_alone[@]}" --lr 1e-3 "${found[@]}" --seed 2 --start "$out/drawn" --found "$out/derained"

# The rest of the objective, so that real rain has a say. G_R begins here: its consistency must not pull B back to O meanwhile.
train whole --batch 2 --lr 2e-4 --steps 700 --decay 700 --seed 1 --start "$out/found" --discriminator-rate 2 \
  --discriminator-gain 0.4 --drawn-weight 5 --found "$out/derained" --location-weight 0.02 --consistency-weight 0.05 \
  --sparsity-weight 0 --chroma-weight 1 --recomposition-weight 1 --recomposition-high-pass 0.5 \
  --recomposition-threshold 0.02 --save-every 50 "$@"

# Rain as cameras see it. Mist is left alone: it is no rain. The mean of before and after is better on all kinds than either.
train weather "${drawn_alone[@]}" --drawn-rain both --drawn-mist false --found "$out/derained" --lr 5e-4 "${weather[@]}" \
  --seed 3 --start "$out/whole"
"$bin/nlcl-convert" "$out/whole/clean.safetensors" "$out/clean.safetensors" --mean "$out/weather/clean.safetensors" >&2
echo "$out/clean.safetensors"

#!/usr/bin/env bash
# What each part of the objective is worth: trains once for each row of a table, all with the same budget, and prints the
# table. The data are those of demo.sh. It takes about three minutes a row on one core; rows that are there are kept.
#   tools/ablation.sh [DIR [STEPS]]     (default: build/ablation 150)
set -euo pipefail

if [ $# -gt 2 ] || [[ ${1:-} == -* ]]; then
  echo "usage: tools/ablation.sh [DIR [STEPS]]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
place=${1:-$root/build/ablation}
steps=${2:-150}

. "$root/tools/packages.sh"
. "$root/tools/demo-data.sh"
need_packages "${build_packages[@]}"
{
  cmake -S "$root" --preset release
  cmake --build "$root/build" --target nlcl-synth nlcl-train nlcl-eval
} >&2
PATH=$root/build/bin:$PATH
[ -d "$place/held-out" ] || demo_data "$place" >&2
cd "$place"

# What all rows have. It is a file because an option of a row then takes the place of the one here.
cat >common.toml <<END
rainy="rainy"
clean="dry"
steps=$steps
decay=$((steps / 4))
crop=48
batch=4
lr=1e-3
average=0.95
discriminator-rate=0.2
discriminator-gain=0.4
location-weight=0.1
skip=true
sample-every=$steps
save-every=$steps
END

# row NAME SEEDS OPTION...: gain of luminance PSNR, of colour PSNR and of luminance SSIM, the mean over seeds 1 to SEEDS, and
# the range of the first if there are several.
row() {
  local name=$1 seeds=$2 seed run
  shift 2
  for ((seed = 1; seed <= seeds; ++seed)); do
    run="$name-$seed"
    [ ! -e "$run.csv" ] || continue
    rm -rf "$run"
    nlcl-train --config common.toml --seed "$seed" -o "$run" --quiet -j 1 "$@"
    nlcl-eval -i held-out/rainy -w "$run/clean.safetensors" -t held-out/truth --csv "$run.csv" --quiet -j 1 >/dev/null
  done
  # mean,psnr,ssim,psnr_y,ssim_y and the same of the input
  awk -F, -v name="$name" -v options="$*" '
    /^mean,/ { y = $4 - $8; sum += y; colour += $2 - $6; ssim += $5 - $9
               if (!n || y < low) low = y; if (!n || y > high) high = y; ++n }
    END { range = n > 1 ? sprintf(" (%+.2f to %+.2f)", low, high) : ""
          printf "| %s | %s | %+.2f%s | %+.2f | %+.3f | %d |\n",
                 name, options ? "`" options "`" : "", sum / n, range, colour / n, ssim / n, n }' "$name"-[0-9].csv
}

echo "| row | options | gain Y-PSNR (range) | gain PSNR | gain Y-SSIM | seeds |"
echo "| --- | --- | ---: | ---: | ---: | ---: |"
row asymmetric 3
row cvpr2022 3 --objective cvpr2022
row weights-swapped 2 --compactness 1.24,0.76
row layer-off 3 --layer-weight 0
row known 3 --layer-weight 0 --known-weight 1 --temperature-back 0.5 --temperature-rain 0.5
row layer-awake 1 --layer-shared-heads true --layer-image-tap false --layer-texture true --layer-residual true \
  --layer-same-places true --temperature-back 0.5 --temperature-rain 0.5
row known-lighter 1 --layer-weight 0 --known-weight 0.1 --temperature-back 0.5 --temperature-rain 0.5
row temperatures-0.02 1 --temperature-back 0.02 --temperature-rain 0.02
row temperatures-0.5 1 --temperature-back 0.5 --temperature-rain 0.5
row K-back-128 1 --back-patches 128
row K-rain-8 1 --rain-patches 8
row K-location-64 1 --location-patches 64
row location-off 2 --location-weight 0
row location-1 1 --location-weight 1
row no-skip 1 --skip false
row discriminator-as-published 1 --discriminator-gain 0.02
row chroma 1 --chroma-weight 0.5
row identity 1 --identity-weight 0.2
recomposition=(--recomposition-weight 0.3 --recomposition-gain 2 --recomposition-high-pass 0.5
  --recomposition-threshold 0.01)
row recomposition 1 "${recomposition[@]}"
row all-of-ours 2 --chroma-weight 0.5 --identity-weight 0.2 "${recomposition[@]}"
row drawn 3 --drawn-weight 5
row drawn-alone 3 --drawn-weight 1 --adversarial-weight 0 --location-weight 0 --layer-weight 0 --consistency-weight 0 \
  --sparsity-weight 0

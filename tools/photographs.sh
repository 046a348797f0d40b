#!/usr/bin/env bash
# Takes photographs under free licences out of Debian packages, shrinks them to sides of at most 1024 pixels,
# and lists them by name. Whose they are, and under which licence, is in OUTDIR/copyright.
#   tools/photographs.sh OUTDIR [COUNT]
# COUNT is 1 to 51 (default: 32, a download of 26 MB; 51: 175 MB). The same COUNT always gives the same photographs.
set -euo pipefail

out=${1:-}
count=${2:-32}
if [ $# -lt 1 ] || [ $# -gt 2 ] || ! [[ $count =~ ^([1-9]|[1-4][0-9]|5[01])$ ]]; then
  echo "usage: tools/photographs.sh OUTDIR [COUNT], COUNT from 1 to 51" >&2
  exit 2
fi

root=$(cd "$(dirname "$0")/.." && pwd)
synth=$root/build/bin/nlcl-synth
if [ ! -x "$synth" ]; then
  . "$root/tools/packages.sh"
  need_packages "${build_packages[@]}" >&2
  { cmake -S "$root" --preset release && cmake --build "$root/build" --target nlcl-synth; } >&2
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out/copyright" "$scratch/photographs"

download() {
  (cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root download "$1")
}

# take PACKAGE FOLDER PHOTOGRAPH...
take() {
  local package=$1 folder=$2 name
  shift 2
  [ "$count" -gt 0 ] || return 0
  if ! download "$package" 2>/dev/null; then
    [ "$(id -u)" != 0 ] || apt-get -qq update 2>/dev/null || true
    download "$package" || {
      echo "$package cannot be downloaded: no network, or no list of packages (apt-get update, as root)" >&2
      exit 1
    }
  fi
  dpkg-deb -x "$scratch/$package"_*.deb "$scratch/$package"
  cp "$scratch/$package/usr/share/doc/$package/copyright" "$out/copyright/$package"
  for name in "${@:1:count}"; do
    cp "$scratch/$package/$folder/$name.jpg" "$scratch/photographs/${name%%/*}.jpg"
    # Where the photographs have several authors, each one's is beside it.
    [ ! -e "$scratch/$package/$folder/$name.desktop" ] ||
      cp "$scratch/$package/$folder/$name.desktop" "$out/copyright"
    [ ! -e "$scratch/$package/$folder/${name%%/*}/metadata.json" ] ||
      cp "$scratch/$package/$folder/${name%%/*}/metadata.json" "$out/copyright/${name%%/*}.json"
    count=$((count - 1))
  done
}

take palapeli-data usr/share/palapeli/collection castle-maintenon cincinnati-bridge citrus-fruits \
  european-honey-bee panther-chameleon-female
take tuxpaint-data usr/share/tuxpaint/templates burnt_bark cliff corn_maze lighthouse mossy_log mudstone \
  ocean_splash ocean_waves redwoods_above rocks sheep sun_behind_clouds sun_behind_leaves trees_above \
  trees_at_dusk wool_mill_machine
take lomiri-wallpapers-16.04 usr/share/backgrounds Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly \
  Picture_0B_by_freespace Picture_1A_by_freespace Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi \
  friends_by_Aitzol_Berasategi life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi \
  seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi
take lomiri-wallpapers-20.04 usr/share/backgrounds Kleiber_by_Lukas_Baubkus
take mate-backgrounds usr/share/backgrounds/mate/nature Blinds Dune FreshFlower Garden GreenMeadow LadyBird Storm TwoWings \
  YellowFlower
take plasma-workspace-wallpapers usr/share/wallpapers {BytheWater,ColdRipple,EveningGlow,FallenLeaf,Grey,Kite}/contents/images/2560x1600 \
  {OneStandsOut,Path,summer_1am}/contents/images/2560x1600

"$synth" -i "$scratch/photographs" --clean "$out" --shrink 1024
cd "$scratch/photographs"
for name in *.jpg; do echo "$out/${name%.jpg}.png"; done | LC_ALL=C sort

#!/usr/bin/env bash
# Uses the packages of tools/package.sh as a stranger would: a bare Debian 12, nothing but the package installed in it, and
# there the rain taken off a photograph. Needs root, and Debian's mirror for debootstrap; says so where they are not there.
#   tests/package.sh PACKAGES [PHOTO]
set -euo pipefail

[ $# = 1 ] || [ $# = 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
packages=$(realpath "$1")
photo=${2:-$root/tests/fuzz/corpus/image/progressive.jpg}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- What is in them

for package in "$packages"/*.deb; do
  dpkg-deb --info "$package" | sed -n 's/^ \(Package\|Architecture\|Depends\|Installed-Size\): /\1: /p'
done
mkdir "$scratch/archive"
tar -C "$scratch/archive" --strip-components=1 -xf "$packages"/nlcl-*.tar.gz
"$root/tests/installed.sh" "$scratch/archive"

# ---- The launcher starts the best program that the processor can run

if command -v qemu-x86_64-static >/dev/null && [ -d "$scratch/archive/libexec/nlcl/x86-64-v3" ]; then
  mkdir -p "$scratch/fake/bin"
  cp "$scratch/archive/bin/nlcl-derain" "$scratch/fake/bin/say"
  for level in x86-64 x86-64-v3; do
    mkdir -p "$scratch/fake/libexec/nlcl/$level"
    printf '#!/bin/sh\necho %s "$@"\n' $level >"$scratch/fake/libexec/nlcl/$level/say"
    chmod +x "$scratch/fake/libexec/nlcl/$level/say"
  done
  starts() {  # starts PROCESSOR EXPECTED
    local started
    started=$(qemu-x86_64-static -cpu "$1" "$scratch/fake/bin/say" "a b" 2>/dev/null)
    [ "$started" = "$2 a b" ] || { echo "on $1 the launcher starts '$started', expected $2" >&2 && exit 1; }
  }
  starts Nehalem x86-64
  starts Haswell x86-64-v3
else
  echo "skipped: qemu-user-static, or the packages of x86-64, are not there"
fi

# ---- In a bare Debian

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "skipped: only root, with debootstrap, can make a bare Debian"
  exit 0
fi
begin=$SECONDS
bare=$scratch/debian
debootstrap --variant=minbase bookworm "$bare" >"$scratch/debootstrap.log" 2>&1 || { tail -n 5 "$scratch/debootstrap.log" >&2 && exit 1; }
echo "$((SECONDS - begin)) s for a bare Debian"

in_bare() { chroot "$bare" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive "$@"; }
mkdir "$bare/work"
cp "$packages"/nlcl_*.deb "$bare/work/nlcl.deb"
cp "$photo" "$bare/work/photo"
begin=$(date +%s.%N)
in_bare apt-get install -qq -y /work/nlcl.deb >/dev/null 2>&1
installed=$(date +%s.%N)
in_bare nlcl-derain -i /work/photo -o /work/clean.png -w /usr/share/nlcl/models/real.safetensors -v
end=$(date +%s.%N)
awk "BEGIN { printf \"%.1f s from apt-get install to the picture, %.1f of them to install\\n\", $end - $begin, $installed - $begin }"
file "$bare/work/clean.png" | grep -q 'PNG image data' || { echo "no picture" >&2 && exit 1; }
for program in "$bare"/usr/bin/nlcl-*; do
  in_bare "$(basename "$program")" --version
done
in_bare dpkg --purge nlcl >/dev/null
left=$(find "$bare" -xdev -name '*nlcl*' -not -path "$bare/work/*" -not -path "$bare/var/log/*")
[ -z "$left" ] || { echo "left after its removal: $left" >&2 && exit 1; }

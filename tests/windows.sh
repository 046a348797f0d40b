#!/usr/bin/env bash
# The main job with the programs for Windows, in wine: rain drawn and taken off, files and pipes, names that are not ASCII,
# and the exit codes. The picture is that of the programs for this system, but for what another rounding does.
#   tests/windows.sh BIN
set -euo pipefail

[ $# = 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$(realpath "$1")
scratch=$(mktemp -d)
export WINEPREFIX=$scratch/wine WINEDEBUG=-all LC_ALL=C.UTF-8  # in which wine understands names
trap 'wineserver -k -w || true; rm -rf "$scratch"' EXIT
wine wineboot >/dev/null 2>&1  # makes what Windows calls its folders
mkdir "$scratch/work"
cd "$scratch/work"

derain() { wine "$bin/nlcl-derain.exe" -w "$weights" "$@"; }
weights=$root/models/real.safetensors
cp "$root/tests/fuzz/corpus/image/progressive.jpg" 'été 雨.jpg'

wine "$bin/nlcl-synth.exe" -i 'été 雨.jpg' -o rainy.png --seed 1 --quiet
derain -i rainy.png -o 'klar 晴.png' -v
cmp <(derain -i - -o - <rainy.png) 'klar 晴.png'  # pipes hold bytes, not lines
derain -i 'klar 晴.png' -o 'klar 晴.png' 2>said && exit 1
grep 'klar 晴.png would overwrite an input' said
mkdir many && cp rainy.png many/one.png && cp rainy.png many/two.png
wine "$bin/nlcl-derain.exe" 'été 雨.jpg' '*y.png'  # the weights are built in, and no shell here knows patterns
cmp rainy-derained.png 'klar 晴.png' && [ -s 'été 雨-derained.jpg' ]
wine "$bin/nlcl-derain.exe" --help | grep -q '^  nlcl-derain photo.jpg '
derain -i many -o results
cmp results/one.png 'klar 晴.png' && cmp results/two.png 'klar 晴.png'
derain -i results -o many --format png  # over files that are there
cmp many/one.png many/two.png

code=0
derain -i nowhere.png -o x.png 2>said || code=$?
[ $code = 2 ] && [ ! -e x.png ] && grep 'no such file or folder: nowhere.png' said
code=0
printf 'no picture' >bad.png
derain -i bad.png -o x.png 2>said || code=$?
[ $code = 1 ] && [ ! -e x.png ] && cat said
[ -z "$(find . -name '*.tmp')" ]
echo "Windows: the rain is taken off"

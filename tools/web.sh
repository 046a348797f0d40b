#!/usr/bin/env bash
# Builds the page that takes the rain off photographs in the browser, and serves it to this machine alone.
#   tools/web.sh [--build-only] [PORT]     (default: 8000)
# The page is build/web: static files, which any server may serve.
set -euo pipefail

build_only=false
if [ "${1:-}" = --build-only ]; then
  build_only=true
  shift
fi
port=${1:-8000}
if [ $# -gt 1 ] || ! [[ $port =~ ^[0-9]{1,5}$ ]]; then
  echo "usage: tools/web.sh [--build-only] [PORT]" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/tools/web
page=$root/build/web

. "$root/tools/packages.sh"
. "$root/tools/pages.sh"
need_packages "${emscripten_packages[@]}" python3 >&2
mkdir -p "$page"

calls=allocate,release,result,result_size,load,open_photograph,width,height,begin_tiles,tile_count,tile_height,tile_width
calls+=,cut_tile,put_tile,derain_tile,clean_pixels,rain_pixels,put_clean_pixels,put_rain_pixels,encode_clean,encode_rain
compile_module "$source/engine.cpp" "$page/engine" "$calls" -sENVIRONMENT=worker -sMAXIMUM_MEMORY=4GB

cp "$source"/{index.html,colours.css,page.css,page.js,worker.js,icon.svg,sample.jpg} "$root/models/real.safetensors" "$page"
if $build_only; then echo "$page"; else serve "$page" "$port"; fi

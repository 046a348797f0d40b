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
need_packages emscripten libeigen3-dev libstb-dev nlohmann-json3-dev python3 >&2

# Emscripten of Debian: its optimiser of JavaScript lies among Debian's node modules, and needs no fetch of node's own.
export NODE_PATH=/usr/share/nodejs
includes=$root/build/web-include # the headers of the system that are no part of the system compiled for
mkdir -p "$page" "$includes"
for header in eigen3/Eigen nlohmann stb; do ln -sfn "/usr/include/$header" "$includes/"; done

flags=(-std=c++20 -O3 -DNDEBUG -msimd128 -fwasm-exceptions -Wall -Wextra -Wpedantic -Werror
  -include "$source/standard.hpp" "-I$root/include" -isystem "$includes")
calls=allocate,release,result,result_size,load,open_photograph,width,height,derain,clean_pixels,rain_pixels
calls=_${calls//,/,_},_put_clean_pixels,_put_rain_pixels,_encode_clean,_encode_rain
link=(-sMODULARIZE -sEXPORT_NAME=engine -sENVIRONMENT=worker -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB
  "-sEXPORTED_FUNCTIONS=$calls" -sDYNAMIC_EXECUTION=0 --js-library "$source/progress.js")

sources=$(find "$root/include" "$source"/*.?pp "$source/progress.js" "$root/tools/web.sh" -newer "$page/engine.wasm" -type f 2>&1 || true)
if [ -n "$sources" ]; then # newer than the module, or there is none
  em++ "${flags[@]}" "$source/engine.cpp" -o "$page/engine.js" "${link[@]}" >&2
fi

cp "$source"/{index.html,page.css,page.js,worker.js,icon.svg,sample.jpg} "$root/models/real.safetensors" "$page"
if $build_only; then
  echo "$page"
else
  echo "http://127.0.0.1:$port/"
  exec python3 -m http.server "$port" --bind 127.0.0.1 --directory "$page" >/dev/null
fi

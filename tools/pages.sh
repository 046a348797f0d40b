# For the scripts that make pages, which set `root` and are named by $0.
#   compile_module SOURCE OUT CALL,... OPTION...
#                  compiles SOURCE to OUT.js, a function `engine` that makes a module with these calls of C, if OUT.js is
#                  not newer than all that it is made of, the calling script among it
#   serve FOLDER PORT
#                  says where, and goes on until it is stopped

emscripten_packages=(emscripten libeigen3-dev libstb-dev nlohmann-json3-dev)

compile_module() {
  local source=$1 out=$2 calls=_${3//,/,_}
  shift 3
  local newer
  newer=$(find "$root/include" "$source" "$root/tools/web/standard.hpp" "$root"/tools/{pages.sh,"$(basename "$0")"} \
    -newer "$out.js" -type f 2>&1 || true)
  [ -n "$newer" ] || return 0  # where there is no module, that is what find says

  # Debian's: its optimiser of JavaScript lies among Debian's node modules, and needs no fetch of node's own.
  export NODE_PATH=/usr/share/nodejs
  local header includes=$root/build/web-include  # the headers of the system that are no part of the system compiled for
  mkdir -p "$includes"
  for header in eigen3/Eigen nlohmann stb; do ln -sfn "/usr/include/$header" "$includes/"; done
  em++ -std=c++20 -O3 -DNDEBUG -msimd128 -fwasm-exceptions -Wall -Wextra -Wpedantic -Werror \
    -include "$root/tools/web/standard.hpp" "-I$root/include" -isystem "$includes" "$source" -o "$out.js" \
    -sMODULARIZE -sEXPORT_NAME=engine -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sDYNAMIC_EXECUTION=0 \
    "-sEXPORTED_FUNCTIONS=$calls" "$@" >&2
}

serve() {
  echo "http://127.0.0.1:$2/"
  exec python3 -m http.server "$2" --bind 127.0.0.1 --directory "$1" >/dev/null
}

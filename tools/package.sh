#!/usr/bin/env bash
# Makes packages of what is built here: nlcl_VERSION_ARCHITECTURE.deb with programs and weights, libnlcl-dev_VERSION_all.deb
# with the library, and an archive of both for other systems.
#   tools/package.sh OUT [PROCESSOR...]
# On x86-64 the programs are compiled three times, for any processor, for AVX2 and for AVX-512, or for the PROCESSORs that are
# named, and a launcher starts the best: one photograph takes 2.3, 0.9 and 0.7 s.
set -euo pipefail

[ $# -gt 0 ] && [[ $1 != -* ]] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(realpath "$1")
cd "$(dirname "$0")/.."
. tools/packages.sh
need_packages "${build_packages[@]}" dpkg-dev file help2man

if [ "$(uname -m)" = x86_64 ]; then
  processors=("${@:2}")
  [ $# -gt 1 ] || processors=(x86-64 x86-64-v3 x86-64-v4)
  launcher=ON
else
  processors=("")
  launcher=OFF
fi
projects=
for processor in "${processors[@]}"; do
  build=$PWD/build-package/${processor:-any}
  cmake --preset package -B "$build" -DNLCL_ARCH="$processor" -DNLCL_LAUNCHER=$launcher
  cmake --build "$build" --parallel "$(nproc)"
  projects+="$build;nlcl;ALL;/;"
done
cpack --config "$build/CPackConfig.cmake" -B "$out" -D CPACK_INSTALL_CMAKE_PROJECTS="$projects"
rm -rf "$out/_CPack_Packages"
ls -l "$out"

#!/usr/bin/env bash
# What a program says on standard error goes through tools/common.hpp, which escapes what a terminal would obey: names in
# messages are anybody's. The library says nothing at all.
set -euo pipefail
cd "$(dirname "$0")/../.."

if grep -rnE --include='*.[ch]pp' '\b(cerr|clog|stderr|perror)\b' include tools |
  grep -vE '^tools/(common.hpp|install/launcher.cpp):'; then
  echo "said past tools::say of tools/common.hpp"
  exit 1
fi
echo "messages go through tools/common.hpp"

#!/usr/bin/env bash
# Prints the manual page of a program, made from what the program says of itself and from the table of the programs in README.
#   tools/install/manual.sh PROGRAM
set -euo pipefail

[ $# = 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
purpose=$(sed -n "s/^| \`$(basename "$1")\` | \(.*\) |$/\1/p" "$root/README.md")
help2man --no-info --name "${purpose:?README names no such program}" --include <(echo '[<synopsis]' && echo .ad l) "$1"

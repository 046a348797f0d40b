#!/usr/bin/env bash
# nlcl.hpp says "Everything.": it includes each header of include/nlcl/. Those in a folder beside a header of its name, as
# ops/conv2d/ beside ops/conv2d.hpp, come with that header.
set -euo pipefail
cd "$(dirname "$0")/../../include"

missing=0
headers=0
while read -r header; do
  headers=$((headers + 1))
  [ -e "$(dirname "$header").hpp" ] && header=$(dirname "$header").hpp
  grep -qxF "#include \"$header\"" nlcl/nlcl.hpp && continue
  echo "nlcl/nlcl.hpp does not include $header"
  missing=$((missing + 1))
done < <(find nlcl -name '*.hpp' ! -path nlcl/nlcl.hpp | sort)

echo "$headers headers, $missing of them missing in nlcl.hpp"
((missing == 0))

#!/usr/bin/env bash
# A header, of the CPU (.hpp) or of the GPU (.cuh), includes headers of its own layer and of those above it in the table
# of docs/design.md. CUDA stays in cuda/: what is under include/ includes no .cuh and nothing of CUDA's. Only io/
# and what stands on it read files, so only these may use nlohmann/json, and only io/ stb and libwebp; options are parsed in tools/.
set -euo pipefail
cd "$(dirname "$0")/../.."

layers=$(sed -n 's/^| `\([a-z]*\)\/`.*/\1/p' docs/design.md | tr '\n' ' ')
[ -n "$layers" ] || { echo "docs/design.md: no table of layers"; exit 1; }

find include/nlcl cuda/nlcl -mindepth 2 -name '*.hpp' -o -mindepth 2 -name '*.cuh' | sort | xargs awk -v layers="$layers" '
  BEGIN { for (count = split(layers, name, " "); ++i <= count;) rank[name[i]] = i }
  function fail(what) { print FILENAME ":" FNR ": " what; failed = 1 }

  FNR == 1 {
    split(FILENAME, path, "/")
    layer = path[3]
    if (!rank[layer]) fail("the layer " layer "/ is not in the table of docs/design.md")
  }
  /^ *# *include *"/ && !/"nlcl\/version.hpp"/ {  # which stands under all layers
    split($0, quoted, "\"")
    if (split(quoted[2], path, "/") < 3 || path[1] != "nlcl") fail(quoted[2] " is not nlcl/<layer>/<name>.hpp")
    else if (rank[layer] && rank[path[2]] > rank[layer]) fail(layer "/ includes " quoted[2] ", a layer below it")
  }
  /^ *# *include *("nlcl\/.*\.cuh"|<cuda)/ && FILENAME !~ /^cuda\// { fail($0 " outside cuda/") }
  /^ *# *include *<nlohmann\// && rank[layer] < rank["io"] { fail($0 " above io/") }
  /^ *# *include *<(stb|webp)\// && layer != "io" { fail($0 " outside io/") }
  /^ *# *include *<CLI\// { fail($0 " outside tools/") }

  END { exit failed }
' && echo "includes keep the order: $layers"

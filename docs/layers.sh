#!/usr/bin/env bash
# Prints docs/layers.svg: the layers in the order of the table in docs/design.md, turned over so that includes point down,
# and how many includes lead from one to the other.
#   docs/layers.sh >docs/layers.svg
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

layers=$(sed -n 's/^| `\([a-z]*\)\/`.*/\1/p' docs/design.md | tac | tr '\n' ' ')
[ -n "$layers" ] || { echo "docs/design.md: no table of layers" >&2; exit 1; }

find include/nlcl -mindepth 2 -name '*.hpp' -print0 | sort -z | xargs -0 awk -v layers="$layers" '
  FNR == 1 { split(FILENAME, path, "/"); layer = path[3]; headers[layer]++ }
  /^ *# *include *"nlcl\// {
    split($0, quoted, "\"")
    if (split(quoted[2], path, "/") > 2 && path[2] != layer) includes[layer, path[2]]++
  }

  function x(i) { return 64 + 76 * (i - 1) }  # of the middle of a box
  function y(i) { return 34 + 46 * (i - 1) }

  END {
    count = split(layers, name, " ")
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
           x(count) + 64, y(count) + 34, "The layers, and the includes between them"
    print "<style>"
    print "svg { background: #fff; font: 13px system-ui, -apple-system, \"Segoe UI\", Roboto, \"Noto Sans\", \"Liberation Sans\", sans-serif; }"
    print "text { fill: #1d1f21; text-anchor: middle; } .soft { fill: #6b7076; font-size: 11px; } .note { text-anchor: start; }"
    print "rect { fill: #e8f1f9; stroke: #1f6fb2; } circle { fill: #fff; stroke: #9aa2aa; }"
    print ".line { fill: none; stroke: #9aa2aa; } .head { fill: #6b7076; }"
    print "@media (prefers-color-scheme: dark) {"
    print "  svg { background: #14171a; } text { fill: #e6e8ea; } .soft { fill: #98a0a8; }"
    print "  rect { fill: #1b2a38; stroke: #6cb6f5; } circle { fill: #14171a; stroke: #59626b; }"
    print "  .line { stroke: #59626b; } .head { fill: #98a0a8; } }"
    print "</style>"
    for (i = 1; i <= count; ++i) {  # what a layer includes, to the right; who includes it, down to it
      last = i
      for (j = i + 1; j <= count; ++j) if (includes[name[i], name[j]]) last = j
      if (last > i) printf "<path class=\"line\" d=\"M%d %dH%d\"/>\n", x(i), y(i), x(last)
      for (first = 1; first < i && !includes[name[first], name[i]];) ++first
      if (first == i) continue
      printf "<path class=\"line\" d=\"M%d %dV%d\"/>", x(i), y(first), y(i) - 18
      printf "<path class=\"head\" d=\"M%d %dl-4 -8h8z\"/>\n", x(i), y(i) - 17
    }
    for (i = 1; i <= count; ++i) {
      printf "<rect x=\"%d\" y=\"%d\" width=\"88\" height=\"34\" rx=\"4\"/>", x(i) - 44, y(i) - 17
      printf "<text x=\"%d\" y=\"%d\">%s</text>", x(i), y(i) - 1, name[i]
      printf "<text class=\"soft\" x=\"%d\" y=\"%d\">%d header%s</text>\n", x(i), y(i) + 12, headers[name[i]],
             headers[name[i]] == 1 ? "" : "s"
      for (j = 1; j <= count; ++j) {
        if (!(number = includes[name[i], name[j]])) continue
        printf "<circle cx=\"%d\" cy=\"%d\" r=\"11\"/><text x=\"%d\" y=\"%d\">%d</text>\n", x(j), y(i), x(j),
               y(i) + 5, number
      }
    }
    printf "<text class=\"soft note\" x=\"20\" y=\"%d\">Each number: includes in the layer on its left</text>\n", y(count) - 9
    printf "<text class=\"soft note\" x=\"20\" y=\"%d\">that name headers of the layer below it.</text>\n", y(count) + 6
    print "</svg>"
  }'

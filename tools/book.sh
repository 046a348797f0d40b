#!/usr/bin/env bash
# Makes a book of docs/, to study from, and serves it to this machine alone.
#   tools/book.sh [--build-only] [--port PORT] [DIR]     (default: port 8001, build/book)
# The book is DIR: static files, which any server may serve, and which a browser opens from the disk too.
set -euo pipefail

usage() {
  echo "usage: tools/book.sh [--build-only] [--port PORT] [DIR]" >&2
  exit 2
}
build_only=false
port=8001
while [[ ${1:-} == -* ]]; do
  case $1 in
    --build-only) build_only=true ;;
    --port) port=${2:-} && shift ;;
    *) usage ;;
  esac
  shift || usage
done
if [ $# -gt 1 ] || ! [[ $port =~ ^[0-9]{1,5}$ ]]; then usage; fi
root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/tools/book
book=${1:-$root/build/book}

. "$root/tools/packages.sh"
. "$root/tools/pages.sh"
need_packages "${emscripten_packages[@]}" pandoc python3 >&2
mkdir -p "$book"
book=$(cd "$book" && pwd)
cd "$root"

BOOK_WORK=$(mktemp -d) # lists that the filter writes: sources, images, index
export BOOK_WORK
trap 'rm -rf "$BOOK_WORK"' EXIT

# ---- What is in it: the pages that docs/README.md links to, in its order, each chapter followed by its answers ----

pages=(README.md)
for page in $(grep -oE '\]\([^/:)#]+\.md\)' docs/README.md | tr -d '])(' | awk '!seen[$0]++'); do
  pages+=("$page")
done
title_of() { sed -n '1s/^# //p' "docs/$1"; }
html_of() {
  local name=${1%.md}
  echo "${name/#README/index}.html"
}
up_of() { printf '%s' "${1%"${1##*/}"}" | sed 's|[^/]*/|../|g'; } # from OUT to the root of the book

# The list of all pages as it stands on the page that is at OUT.
chapters() { # chapters OUT PAGE
  local page
  echo "<ul>"
  for page in "${pages[@]}"; do
    printf '<li><a href="%s%s"%s>%s</a></li>\n' "$(up_of "$1")" "$(html_of "$page")" \
      "$([ "$page" != "$2" ] || echo ' aria-current="page"')" "$(title_of "$page")"
  done
  echo "</ul>"
}

# ---- Pages ----

render() { # render OUT OPTION...: one page of HTML
  local out=$1
  shift
  mkdir -p "$book/$(dirname "$out")"
  pandoc --fail-if-warnings --to html5 --mathml --template "$source/page.html" \
    --variable root="$(up_of "$out")" --output "$book/$out" "$@"
}

render_page() { # render_page PAGE [PREVIOUS [NEXT]], as in docs/
  local page=$1 previous=${2:-} next=${3:-} out options=()
  out=$(html_of "$page")
  chapters "$out" "$page" >"$BOOK_WORK/chapters"
  if [ "$page" = README.md ]; then
    options+=(--variable kind=index)
  elif [ "$(grep -c '^## ' "docs/$page")" -gt 1 ]; then
    options+=(--toc --toc-depth 3)
  fi
  if grep -q '^<!-- figure ' "docs/$page"; then options+=(--variable live=true); fi
  if [ -n "$previous" ]; then
    options+=(--variable previous="$(up_of "$out")$(html_of "$previous")" --variable previous-title="$(title_of "$previous")")
  fi
  if [ -n "$next" ]; then
    options+=(--variable next="$(up_of "$out")$(html_of "$next")" --variable next-title="$(title_of "$next")")
  fi
  BOOK_PAGE=docs/$page render "$out" --from gfm --lua-filter "$source/book.lua" --variable turn=true "${options[@]}" \
    --variable chapters="$(cat "$BOOK_WORK/chapters")" "docs/$page"
}

for i in "${!pages[@]}"; do
  page=${pages[i]} previous=
  if ((i > 0)); then previous=${pages[i - 1]}; fi
  render_page "$page" "$previous" "${pages[i + 1]:-}"
  if [ -e "docs/answers/$page" ]; then render_page "answers/$page" "$page" "${pages[i + 1]:-}"; fi
done

# ---- The sources that pages link to, each a page with line numbers; of a folder all files ----

language_of() {
  case $1 in
    *.?pp | *.cu | *.cuh) echo cpp ;;
    *.sh) echo bash ;;
    *.md) echo markdown ;;
    *) echo default ;;
  esac
}

render_source() {
  local fence='~~~~~~~~~~~~~~~~'
  { printf '%s {.%s .numberLines}\n' "$fence" "$(language_of "$1")" && cat "$1" && printf '\n%s\n' "$fence"; } |
    render "source/$1.html" --from markdown --metadata title="$1" --variable pagetitle="$1" --variable kind=source
}

render_folder() {
  local file
  for file in $(find "$1" -maxdepth 1 -type f | sort); do
    echo "- [\`$(basename "$file")\`]($(basename "$1")/$(basename "$file").html)"
    echo "$file" >>"$BOOK_WORK/files"
  done | render "source/$1.html" --from markdown --metadata title="$1" --variable pagetitle="$1" --variable kind=folder
}

for path in $(sort -u "$BOOK_WORK/sources"); do
  if [ -d "$path" ]; then render_folder "$path"; else echo "$path" >>"$BOOK_WORK/files"; fi
done
for path in $(sort -u "$BOOK_WORK/files"); do render_source "$path"; done

# ---- Live figures, pictures, style, search ----

calls=result,result_size,receptive_field,draw_picture,width,height,search,contrast,rain
compile_module "$source/figures.cpp" "$book/engine" "$calls" -sENVIRONMENT=web -sSINGLE_FILE # in one file: a browser fetches nothing from a disk

for image in $(sort -u "$BOOK_WORK/images"); do
  mkdir -p "$book/$(dirname "${image#docs/}")"
  cp "$image" "$book/${image#docs/}"
done
cp "$source"/{book.css,book.js,figures.js} "$root"/tools/web/{colours.css,icon.svg} "$book"
{ echo "const sections = [" && cat "$BOOK_WORK/index" && echo "];"; } >"$book/index.js"

if $build_only; then echo "$book"; else serve "$book" "$port"; fi

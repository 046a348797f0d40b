#!/usr/bin/env bash
# Looks at an installation: every program starts, has a manual page without a fault, and bash and zsh complete each of the
# options that its --help names. Without zsh or man their part is left out, and said so.
#   tests/installed.sh PREFIX
set -euo pipefail

[ $# = 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
prefix=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
failed=0
fault() { echo "$*" >&2 && failed=1; }

in_bash() {  # in_bash PROGRAM [OPTION] WORD: what bash offers in the place of the word
  bash -c 'source "$1" && COMP_WORDS=("${@:2}")
           compopt() { :; }
           "_${2//-/_}" "$2" "${@: -1}" "${@: -2:1}" && printf "%s\n" "${COMPREPLY[@]}"' - \
    "$prefix/share/bash-completion/completions/$1" "$@"
}
in_zsh() {  # in_zsh PROGRAM: the options of what it tells zsh's own _arguments
  zsh -fc '_arguments() { print -rl -- "$@" }; source "$1"' - "$(find "$prefix/share/zsh" -name "_$1")" |
    sed -n 's/^\(\*\|([^)]*)\)\{0,1\}\(-[^[]*\)\[.*/\2/p'
}

checked=0
for source in "$root"/tools/nlcl-*.cpp; do
  program=$(basename "$source" .cpp)
  "$prefix/bin/$program" --version >/dev/null || fault "$program does not start"
  options=$("$prefix/bin/$program" --help | grep -oE '^  -[^ ]+' | tr -d ' ' | tr , '\n' | sort)
  [ -n "$options" ] || fault "$program names no options"
  [ "$(in_bash "$program" - | sort)" = "$options" ] || fault "bash does not complete all options of $program"
  if command -v zsh >/dev/null; then
    [ "$(in_zsh "$program" | sort)" = "$options" ] || fault "zsh does not complete all options of $program"
  fi
  if command -v man lexgrog >/dev/null; then
    page=$prefix/share/man/man1/$program.1.gz
    lexgrog "$page" >/dev/null || fault "$page: not a manual page"
    warnings=$(man --warnings -l "$page" 2>&1 >/dev/null) && [ -z "$warnings" ] || fault "$page: $warnings"
    text=$(man -l "$page")
    for option in $options; do
      [[ $text == *"$option"* ]] || fault "$page: no $option"
    done
  fi
  checked=$((checked + 1))
done

[ "$(in_bash nlcl-derain --precision b)" = bf16 ] || fault "bash does not complete the values of --precision"
for tool in zsh lexgrog; do
  command -v $tool >/dev/null || echo "skipped: $tool is not on this machine"
done
for file in share/nlcl/models/real.safetensors share/doc/nlcl/copyright; do
  [ -s "$prefix/$file" ] || fault "no $file"
done
echo "$checked programs checked"
exit $failed

#!/usr/bin/env bash
# Prints the completions of a program for a shell, made from what the program says of itself: no option is forgotten.
#   tools/install/completions.sh bash|zsh PROGRAM
# What may follow an option is told by its placeholder: a FILE, IN or OUT is a file, a DIR or RUN a folder, true|false one of
# these, and a NAME one of those that the text lists (`one, two or three`).
set -euo pipefail

[ $# = 2 ] && [[ $1 == bash || $1 == zsh ]] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$(basename "$2")
"$2" --help | awk -v shell="$1" -v program="${program%.exe}" '
  function add(list, word) { return list == "" ? word : list " " word }
  function values_of(placeholder, text,    list, names, n, i) {
    if (gsub(/\|/, " ", placeholder)) return placeholder  # true|false
    if (placeholder != "NAME") return ""
    gsub(/ *\([^)]*\)/, "", text)
    if (!match(text, /([A-Za-z0-9:_-]+, )*[A-Za-z0-9:_-]+,? or [a-z0-9_-]+/)) return ""
    list = substr(text, RSTART, RLENGTH)
    n = split(list, names, /,? or |, /)
    list = ""
    for (i = 1; i <= n; ++i) if (names[i] !~ /:/) list = add(list, names[i])
    return list
  }
  function kind_of(placeholder, text) {
    if (placeholder ~ /^(FILE|IN|OUT|PATH)$/) return "file"
    if (placeholder ~ /^(DIR|RUN)$/) return "folder"
    return values_of(placeholder, text) == "" ? "text" : "name"
  }
  function quoted(text) { gsub(/\047/, "\047\\\047\047", text); return "\047" text "\047" }

  # An option and its text may stand on two lines.
  /^  -/ { line = $0; if (line !~ /[^ ]   *[^ ]/) { getline rest; line = line "  " rest } add_option(line) }

  function add_option(line,    words, n) {
    match(line, /[^ ]   *[^ ]/)
    n = split(substr(line, 1, RSTART), words, " ")
    names[++count] = words[1]
    placeholders[count] = n > 1 ? words[2] : ""
    texts[count] = substr(line, RSTART + RLENGTH - 1)
  }

  function bash(    i, all, by_kind, kind, patterns) {
    print "# bash completion of " program
    print "_" identifier "() {\n  case $3 in"
    for (i = 1; i <= count; ++i) {
      patterns = names[i]
      gsub(/,/, " ", patterns)
      all = add(all, patterns)
      if (placeholders[i] == "") continue
      gsub(/ /, " | ", patterns)
      kind = kind_of(placeholders[i], texts[i])
      if (kind == "name") printf "    %s) COMPREPLY=($(compgen -W \"%s\" -- \"$2\")) ;;\n", patterns, values_of(placeholders[i], texts[i])
      else by_kind[kind] = by_kind[kind] == "" ? patterns : by_kind[kind] " | " patterns
    }
    if (by_kind["text"]) print "    " by_kind["text"] ") compopt +o default ;;"
    if (by_kind["folder"]) print "    " by_kind["folder"] ") compopt +o default -o dirnames ;;"
    if (by_kind["file"]) print "    " by_kind["file"] ") ;;"
    print "    *) [[ $2 != -* ]] || COMPREPLY=($(compgen -W \"" all "\" -- \"$2\")) ;;\n  esac\n}"
    print "complete -o default -F _" identifier, program
  }

  function zsh(    i, n, forms, spec, kind, text, repeated) {
    print "#compdef " program "\n\n_arguments -s -S \\"
    for (i = 1; i <= count; ++i) {
      n = split(names[i], forms, ",")
      text = texts[i]
      repeated = text ~ /may be repeated/
      gsub(/[][\\:]/, "\\\\&", text)
      spec = "[" text "]"
      if (placeholders[i] != "") {
        kind = kind_of(placeholders[i], texts[i])
        spec = spec ":" tolower(placeholders[i]) ":"
        if (kind == "name") spec = spec "(" values_of(placeholders[i], texts[i]) ")"
        if (kind == "folder") spec = spec "_files -/"
        if (kind == "file") spec = spec "_files"
      }
      if (repeated) printf "  \\*%s%s \\\n", (n > 1 ? "{" names[i] "}" : forms[1]), quoted(spec)
      else if (n > 1) printf "  %s{%s}%s \\\n", quoted("(" forms[1] " " forms[2] ")"), names[i], quoted(spec)
      else printf "  %s \\\n", quoted(forms[1] spec)
    }
    print "  \047*:file:_files\047"
  }

  END {
    identifier = program
    gsub(/-/, "_", identifier)
    if (shell == "bash") bash()
    else zsh()
  }'

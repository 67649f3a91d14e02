#!/bin/sh
# Compiles the programs of this folder as static binaries, which run in any guest:
#
#   .cache/workload/file-ops, .cache/workload/tree-ops
#
# Rebuilt when a source is newer. Prints the folder.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
into=$folder/../../.cache/workload
mkdir -p "$into"
into=$(cd "$into" && pwd)
exec 9>"$into/lock"
flock 9

build() { # build NAME SOURCE...
  target=$into/$1
  shift
  [ -f "$target" ] && [ -z "$(find "$folder/programs" -newer "$target")" ] && return 0
  (cd "$folder/programs" && gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$target.partial" "$@")
  mv "$target.partial" "$target"
}
build file-ops file-ops.c file-steps.c
build tree-ops tree-ops.c tree-model.c tree-check.c tree-steps.c tree-together.c tree-manifest.c
echo "$into"

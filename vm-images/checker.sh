#!/bin/sh
# Compiles the two programs that run in the guest (the checker runs on the host as well), as static
# binaries: $CACHE/bin/check and $CACHE/bin/vmexit. Rebuilt when a source is newer.
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

bin=$CACHE/bin
mkdir -p "$bin"
build() { # build NAME SOURCE...
  target=$bin/$1
  shift
  [ -f "$target" ] && [ -z "$(find "$IMAGES/guest" -name '*.[ch]' -newer "$target")" ] && return 0
  (cd "$IMAGES/guest" && gcc -std=gnu11 -O3 -Wall -Wextra -static -o "$target.partial" "$@")
  mv "$target.partial" "$target"
}
build vmexit exit.c
build check check.c manifest.c reading.c behaviour.c listing.c refusals.c castore.c blake3.c blake3-avx2.c

#!/bin/sh
# Builds the two native libraries of node-vhost-user:
#
#   shim.so            c/shim.c; needs a C compiler only
#   libvhost-user.so   from Debian's QEMU source package, and c/bridge.c; with layout.json
#
#   ffi/scripts/build-native.sh            both
#   ffi/scripts/build-native.sh shim       the shim alone, nothing is downloaded
#
# They go to $NODE_VHOST_USER_NATIVE, else to .cache/native of the checkout that this package is a
# workspace of, else to native/ of this package. What is there and up to date is left alone; the
# sources of the library are kept (sources/), so that only the first run needs the network.
set -eu

# What is asked for first. Mirrors drop versions: what the suite has now is as good.
preferred='trixie=1:10.0.13+ds-0+deb13u1'
suites='trixie bookworm'
default_mirror=http://deb.debian.org/debian

package=$(cd "$(dirname "$0")/.." && pwd -P)
want=${1:-all}
cc=${CC:-gcc}

say() { echo "build-native: $*"; }

# die WHAT REMEDY
die() {
  echo "build-native: $1" >&2
  [ $# -lt 2 ] || echo "  $2" >&2
  exit 1
}

output_directory() {
  if [ -n "${NODE_VHOST_USER_NATIVE:-}" ]; then
    echo "$NODE_VHOST_USER_NATIVE"
  elif grep -qs '"workspaces"' "$package/../package.json"; then
    echo "$(cd "$package/.." && pwd -P)/.cache/native"
  else
    echo "$package/native"
  fi
}

need_compiler() {
  command -v "$cc" >/dev/null ||
    die "no C compiler ($cc)" "On Debian: apt-get install gcc libc6-dev"
  echo '#include <stdlib.h>' | "$cc" -E - >/dev/null 2>&1 ||
    die "$cc finds no C library headers" "On Debian: apt-get install libc6-dev"
}

# What a library was built from, in one line: changes when it must be built anew.
stamp() {
  cat "$@" "$0" | cksum
  uname -m
}

is_current() { # LIBRARY STAMP
  [ -f "$1" ] && [ "$(cat "$1.stamp" 2>/dev/null)" = "$2" ]
}

build_shim() {
  now=$(stamp "$package/c/shim.c")
  is_current "$out/shim.so" "$now" && return
  need_compiler
  "$cc" -O2 -Wall -Wextra -std=gnu11 -fPIC -shared -o "$out/shim.so.new" "$package/c/shim.c" -lpthread ||
    die "the shim does not compile"
  # Renamed, never overwritten: a running process may have the old one mapped.
  mv "$out/shim.so.new" "$out/shim.so"
  echo "$now" >"$out/shim.so.stamp"
  say "built $out/shim.so"
}

# ---- libvhost-user ------------------------------------------------------------------------------

# The Debian mirror that this machine uses already, else Debian's own.
mirror() {
  {
    # shellcheck disable=SC2016 # apt fills in $(REPO_URI)
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true
    echo "$default_mirror"
  } | sed 's,/*$,,' | grep -m1 -E '/debian$'
}

keyring() {
  for ring in /usr/share/keyrings/debian-archive-keyring.gpg \
    /usr/share/keyrings/debian-archive-keyring.pgp; do
    if [ -r "$ring" ]; then
      echo "$ring"
      return
    fi
  done
  die "Debian's archive keyring is missing: the source package cannot be verified" \
    "On Debian: apt-get install debian-archive-keyring"
}

# apt with lists and caches of its own: the system's are neither used nor changed, and root is not
# needed. apt checks the Release file's signature and, through it, every checksum.
private_apt() { # SUITE ARGUMENTS...
  suite=$1
  shift
  home=$work/$suite
  if [ ! -d "$home" ]; then
    mkdir -p "$home/sources" "$home/lists/partial" "$home/cache/archives/partial"
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
      "$(mirror)" "$suite" "$(keyring)" >"$home/sources/private.sources"
  fi
  apt-get -q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$home/sources" \
    -o "Dir::State::Lists=$home/lists" -o "Dir::Cache=$home/cache" \
    -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=2 "$@"
}

download() { # SUITE
  say "downloading QEMU's source package (Debian $1, some 40 MB; kept afterwards: 1 MB)"
  private_apt "$1" update >"$work/log" 2>&1 || return 1
  version=
  case $preferred in "$1="*) version=${preferred#*=} ;; esac
  mkdir -p "$work/source"
  cd "$work/source"
  for wanted in ${version:+"qemu=$version"} qemu; do
    private_apt "$1" source --download-only --only-source "$wanted" >>"$work/log" 2>&1 && break
  done
  set -- *.dsc
  [ -f "$1" ] || return 1
  sed -n 's/^Version: //p' "$1" | head -n 1 >"$work/version"
}

# Takes from the source package what the library consists of.
fetch_sources() {
  command -v apt-get >/dev/null ||
    die "apt-get is missing: libvhost-user comes from Debian's QEMU source package" \
      "Build on Debian, then set NODE_VHOST_USER_NATIVE to the folder with the libraries."
  command -v xz >/dev/null || die "xz is missing" "On Debian: apt-get install xz-utils"
  keyring >/dev/null
  work=$(mktemp -d "$out/download.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  found=
  for suite in $suites; do
    if (download "$suite"); then
      found=yes
      break
    fi
    say "Debian $suite: not to be had ($(grep -m1 '^E:' "$work/log" || echo 'no source package'))"
  done
  [ -n "$found" ] || die "QEMU's source package cannot be had from $(mirror)" \
    "Check the network and the mirror, then try again; or set NODE_VHOST_USER_NATIVE to a folder with the built libraries."
  mkdir "$work/tree"
  tar -xJf "$work"/source/*.orig.tar.xz -C "$work/tree" --strip-components=1 --wildcards \
    '*/subprojects/libvhost-user/*' '*/include/qemu/atomic.h' '*/include/qemu/compiler.h' \
    '*/include/standard-headers/linux/*' || die "the QEMU source package lacks libvhost-user"
  cp "$work/version" "$work/tree/version"
  rm -rf "$out/sources"
  mv "$work/tree" "$out/sources"
  rm -rf "$work"
  trap - EXIT
}

build_library() {
  if [ ! -f "$out/sources/version" ]; then
    if is_built_elsewhere; then return; fi
    fetch_sources
  fi
  now="$(cat "$out/sources/version" 2>/dev/null) $(stamp "$package/c/bridge.c" "$package/c/layout.c" "$package/c/layout.h")"
  is_current "$out/libvhost-user.so" "$now" && return
  need_compiler
  library=$out/sources/subprojects/libvhost-user
  flags="-O2 -std=gnu99 -D_GNU_SOURCE -I$library -I$package/c"
  # shellcheck disable=SC2086 # the words of $flags are meant to be split
  {
    "$cc" $flags -o "$out/layout.new" "$package/c/layout.c" &&
      "$out/layout.new" >"$out/layout.json.new" &&
      "$cc" $flags -fPIC -shared -o "$out/libvhost-user.so.new" "$library/libvhost-user.c" \
        "$package/c/bridge.c" -lpthread
  } || die "libvhost-user $(cat "$out/sources/version") does not compile" \
    "On Debian: apt-get install gcc libc6-dev linux-libc-dev"
  rm "$out/layout.new"
  mv "$out/layout.json.new" "$out/layout.json"
  mv "$out/libvhost-user.so.new" "$out/libvhost-user.so"
  echo "$now" >"$out/libvhost-user.so.stamp"
  say "built $out/libvhost-user.so (QEMU $(cat "$out/sources/version"))"
}

# A folder that somebody filled by hand: libraries, but no sources.
is_built_elsewhere() {
  [ -n "${NODE_VHOST_USER_NATIVE:-}" ] && [ -f "$out/libvhost-user.so" ]
}

out=$(output_directory)
mkdir -p "$out"
# One build at a time; the second finds the work done.
exec 9>"$out/.lock"
if command -v flock >/dev/null; then flock 9; fi

build_shim
case $want in
  shim) ;;
  all) build_library ;;
  *) die "unknown argument: $want" "usage: build-native.sh [shim]" ;;
esac

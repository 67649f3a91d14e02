#!/bin/sh
# Fetches the peers that `make bench` measures against, into the cache; installs nothing.
#
#   test/bench/peers.sh c        Debian 12's C virtiofsd (qemu-system-common)
#   test/bench/peers.sh trixie   the Rust virtiofsd of trixie, with the C library it needs
#   test/bench/peers.sh sid      the same of sid
#
# Result: .cache/peers/NAME/root, an unpacked tree. Prints the command that starts the peer, a word
# a line, or fails saying what is missing.
set -eu
checkout=$(cd "$(dirname "$0")/../.." && pwd)
CASTOREFS_VM_CACHE=${CASTOREFS_VM_CACHE:-$checkout/.cache/vm}
# shellcheck source=vm-images/cache.sh
. "$checkout/vm-images/cache.sh"

name=${1:?which peer: c, trixie or sid}
peers=$(dirname "$CACHE")/peers
into=$peers/$name

case $name in
  c) suite=bookworm packages="qemu-system-common libcap-ng0 libseccomp2 libglib2.0-0 libpcre2-8-0 libc6" ;;
  trixie | sid) suite=$name packages="virtiofsd libc6 libgcc-s1 libcap-ng0 libseccomp2" ;;
  *) echo "peers: no peer $name: c, trixie or sid" >&2; exit 2 ;;
esac

fetch() {
  # Lists, state and cache of our own: the system's apt is left as it is, and no root is needed.
  apt=$peers/apt-$suite
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none"
  echo "deb $(debian_mirror) $suite main" >"$apt/sources.list"
  options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=$apt/none
    -o Dir::State::Lists=$apt/lists -o Dir::State::Status=/dev/null -o Dir::Cache=$apt
    -o Dir::Cache::Archives=$apt/archives -o Acquire::Languages=none -o APT::Sandbox::User="
  echo "peers: fetching $packages of $suite" >&2
  # shellcheck disable=SC2086 # the options and the packages are words
  apt-get update -q -q $options >&2
  rm -rf "$into.partial"
  mkdir -p "$into.partial/root"
  # shellcheck disable=SC2086
  (cd "$into.partial" && apt-get download -q -q $options $packages >&2)
  for package in "$into.partial"/*.deb; do dpkg -x "$package" "$into.partial/root"; done
  rm -f "$into.partial"/*.deb
  rm -rf "$into"
  mv "$into.partial" "$into"
}
[ -d "$into/root" ] || fetch

# A newer C library must be loaded by its own loader, and find its own libraries.
root=$into/root
loader=$(find "$root" -name 'ld-linux-*.so.*' | head -n 1)
libraries=$(find "$root" -name '*.so*' -exec dirname {} + | sort -u | tr '\n' ':')
program=$(find "$root" -name virtiofsd -type f -perm -u+x | head -n 1)
if [ -z "$loader" ] || [ -z "$program" ]; then
  echo "peers: the $suite packages hold no virtiofsd that can be run" >&2
  exit 1
fi
printf '%s\n' "$loader" --library-path "$libraries" "$program"

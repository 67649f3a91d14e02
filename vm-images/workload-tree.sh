#!/bin/sh
# Makes what test/workload needs of Debian:
#
#   $CACHE/workload-tree       the tree of rootfs.sh, with the programs of the workloads installed
#   $CACHE/workload-packages   packages, with all that they depend on, for a guest to install
#
# This machine's apt fetches the packages (same suite, its own lists); the tree's own dpkg installs
# them, in a chroot that needs no network. Both are kept until `make distclean`. Needs root, as
# rootfs.sh does.
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

programs="stress-ng fio git gcc libc6-dev make sqlite3 attr acl"
to_install="jq hello"

base=$CACHE/rootfs
tree=$CACHE/workload-tree
packages=$CACHE/workload-packages
stamp=$CACHE/workload-tree.complete
"$IMAGES/rootfs.sh"
[ -f "$stamp" ] && [ -z "$(find "$IMAGES/workload-tree.sh" "$CACHE/rootfs.complete" -newer "$stamp")" ] &&
  exit 0
as_root true || exit "$NOT_HERE"

debs=$CACHE/workload-debs
fetch() { # fetch INTO PACKAGE...: them and those of their dependencies that the base tree lacks
  mkdir -p "$1/partial"
  into=$1
  shift
  # NoLocking: the status file is the tree's, and nothing is written beside it.
  as_root apt-get install -q -q -y --download-only --no-install-recommends \
    -o Dir::State::Status="$base/var/lib/dpkg/status" -o Dir::Cache::Archives="$into" \
    -o Debug::NoLocking=true -o APT::Sandbox::User= "$@" >&2
  rm -rf "$into/partial"
}

say "fetching packages for the workloads"
as_root rm -rf "$tree" "$tree.partial" "$packages" "$debs" "$stamp"
# shellcheck disable=SC2086 # the names are words
fetch "$packages" $to_install
# shellcheck disable=SC2086
fetch "$debs" $programs

say "installing $(find "$debs" -name '*.deb' | wc -l) packages into the tree (a minute)"
as_root cp -a "$base" "$tree.partial"
as_root mkdir "$tree.partial/debs"
as_root sh -c "mv '$debs'/*.deb '$tree.partial/debs/'"
rmdir "$debs"
# A file does for /dev/null here. Unpacked first, configured after that: dpkg alone knows no order.
as_root env DEBIAN_FRONTEND=noninteractive chroot "$tree.partial" /bin/sh -c '
  : >/dev/null
  dpkg --force-unsafe-io --force-depends --unpack --recursive /debs && dpkg --configure -a
  status=$?
  rm -rf /dev/null /debs
  exit $status' >"$CACHE/workload-tree.log" 2>&1 || {
  tail -n 5 "$CACHE/workload-tree.log" >&2
  say "dpkg failed; its log is $CACHE/workload-tree.log"
  exit 1
}
as_root sh -c "cd '$tree.partial' && chmod -R a+rX . && chown -R $(id -u):$(id -g) ."
mv "$tree.partial" "$tree"
touch "$stamp"
say "workload tree: $(find "$tree" | wc -l) entries, $(du -sm "$tree" | cut -f 1) MiB"

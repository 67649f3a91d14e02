#!/bin/sh
# Fetches a real S3 server for the tests into the cache; installs nothing.
#
# It is Ceph's object gateway (radosgw) from Debian 13, whatever Debian this machine runs, with the C
# library and the libraries it needs. With its dbstore back-end it is one process that keeps
# everything in a folder: no cluster.
#
# Result: .cache/s3-server/radosgw and radosgw-admin, commands that run from there. A repeated call
# costs nothing. When it cannot be had, the reason goes to stderr and to .cache/s3-server/why-not,
# for the tests that have to be skipped; exit status 77.
set -eu
checkout=$(cd "$(dirname "$0")/../../.." && pwd)
CASTOREFS_VM_CACHE=${CASTOREFS_VM_CACHE:-$checkout/.cache/vm}
# shellcheck source=vm-images/cache.sh
. "$checkout/vm-images/cache.sh"

SUITE=trixie
PROGRAMS="radosgw radosgw-admin"
# ceph-common holds radosgw-admin; of the libraries that it wants, the one that program needs.
PACKAGES="radosgw ceph-common"
LIBRARIES="librgw2 libgoogle-perftools4t64 liboath0t64"

into=$(dirname "$CACHE")/s3-server
mkdir -p "$into"
# Several test files may ask at once.
exec 9>"$into.lock"
flock 9

not_here() {
  echo "s3-server: $*" >&2
  echo "$*" >"$into/why-not"
  exit "$NOT_HERE"
}

fetch() {
  # Lists, state and cache of our own: the system's apt is left as it is, and no root is needed.
  apt=$into/apt
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none"
  mirror=$(debian_mirror)
  echo "deb $mirror $SUITE main" >"$apt/sources.list"
  options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=$apt/none
    -o Dir::State::Lists=$apt/lists -o Dir::State::Status=/dev/null -o Dir::Cache=$apt
    -o Dir::Cache::Archives=$apt/archives -o Acquire::Languages=none -o APT::Sandbox::User=
    -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30"
  echo "s3-server: fetching radosgw of $SUITE (60 MB)" >&2
  # shellcheck disable=SC2086 # the options and the packages are words
  apt-get update -q -q $options >&2 ||
    not_here "apt cannot get the package lists of $SUITE from $mirror"
  # What the libraries need in turn, apt knows. Only libraries of that are of use.
  # shellcheck disable=SC2086
  libraries=$(apt-get $options -s install --no-install-recommends $LIBRARIES 2>/dev/null |
    awk '$1 == "Inst" && $2 ~ /^(lib|gcc-|zlib1g)/ { print $2 }')
  # apt-get update succeeds without a network, too: then nothing is known.
  [ -n "$libraries" ] || not_here "apt finds no $LIBRARIES of $SUITE at $mirror"
  rm -rf "$into/root" "$into/archives"
  mkdir -p "$into/archives" "$into/root"
  # shellcheck disable=SC2086
  (cd "$into/archives" && apt-get download -q -q $options $PACKAGES $libraries >&2) ||
    not_here "apt cannot download $PACKAGES of $SUITE from $mirror"
  for package in "$into/archives"/*.deb; do dpkg -x "$package" "$into/root"; done
  rm -rf "$into/archives" "$into/root/usr/share" "$into/root/usr/lib/python3" "$into/root/etc" "$apt"
}

# A newer C library must be loaded by its own loader, and find its own libraries.
wrap() {
  cd "$into"
  loader=$(find root -name 'ld-linux-*.so.*' | head -n 1)
  [ -n "$loader" ] || not_here "the packages of $SUITE hold no C library for this machine"
  # shellcheck disable=SC2016 # the wrapper expands it
  libraries=$(find root -name '*.so*' -exec dirname {} + | sort -u | sed 's|^|$here/|' | tr '\n' ':')
  for program in $PROGRAMS; do
    cat >"$program.partial" <<EOF
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
exec "\$here/$loader" --library-path "$libraries" "\$here/root/usr/bin/$program" "\$@"
EOF
    chmod +x "$program.partial"
    "./$program.partial" --version >&2 || not_here "$program of $SUITE does not run here"
  done
  for program in $PROGRAMS; do mv "$program.partial" "$program"; done
}

for program in $PROGRAMS; do
  [ -x "$into/$program" ] && continue
  fetch
  wrap
  break
done
rm -f "$into/why-not"

#!/bin/sh
# Fetches Debian's cloud kernel for the guest and unpacks it into the cache; installs nothing.
#
#   vm-images/kernel.sh stock    the kernel of the suite this machine runs
#   vm-images/kernel.sh newer    the one of its backports suite, through package lists of its own
#
# Result: $CACHE/kernel-NAME/{vmlinuz,version,root/lib/modules/VERSION}. A finished kernel is kept
# until `make clean`; nothing is asked of the mirror then.
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

name=${1:-stock}
into=$CACHE/kernel-$name
[ -f "$into/complete" ] && exit 0

case $(dpkg --print-architecture) in
  amd64) meta=linux-image-cloud-amd64 ;;
  *) say "the guest is built for amd64 only"; exit 1 ;;
esac

apt_options=
if [ "$name" = newer ]; then
  # Lists, state and cache of our own: no file of the system's apt changes, and no root is needed.
  # shellcheck source=/dev/null
  . /etc/os-release
  apt=$CACHE/apt-backports
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none"
  echo "deb $(debian_mirror) $VERSION_CODENAME-backports main" >"$apt/sources.list"
  apt_options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=$apt/none
    -o Dir::State::Lists=$apt/lists -o Dir::Cache=$apt -o Dir::Cache::Archives=$apt/archives
    -o Acquire::Languages=none -o APT::Sandbox::User="
  say "fetching the package lists of $VERSION_CODENAME-backports"
  # shellcheck disable=SC2086 # the options are words
  apt-get update -q -q $apt_options || { say "they cannot be had"; exit "$NOT_HERE"; }
fi

# The meta-package names the versioned one that really holds the kernel.
versioned() {
  # shellcheck disable=SC2086
  apt-cache $apt_options depends "$meta" 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}
package=$(versioned)
if [ -z "$package" ] && [ "$name" = stock ] && as_root apt-get update -q >&2; then
  package=$(versioned)
fi
if [ -z "$package" ]; then
  say "apt knows no package $meta ($name)"
  [ "$name" = stock ] || exit "$NOT_HERE"
  say "run apt-get update as root, then try again"
  exit 1
fi

say "fetching $package (unpacked into the cache, not installed)"
work=$into.partial
rm -rf "$work" "$into"
mkdir -p "$work/root"
# APT::Sandbox::User: the download runs as this user, since _apt may not write here.
# shellcheck disable=SC2086
(cd "$work" && apt-get download -q -q $apt_options -o APT::Sandbox::User= "$package")
dpkg -x "$work"/*.deb "$work/root"
rm -f "$work"/*.deb

# kmod's tools look in lib/modules; newer packages ship usr/lib/modules.
[ -e "$work/root/lib" ] || ln -s usr/lib "$work/root/lib"
version=${package#linux-image-}
version=${version%-unsigned}
cp "$work/root/boot/vmlinuz-$version" "$work/vmlinuz"
echo "$version" >"$work/version"
rm -rf "$work/root/boot"
PATH=$PATH:/sbin:/usr/sbin depmod -b "$work/root" "$version"
touch "$work/complete"
mv "$work" "$into"

#!/bin/sh
# Makes sure that the Debian packages named on the command line are installed.
#
#   vm-images/packages.sh qemu-system-x86 cpio ...
#
# Only what is missing is installed: directly as root, else through sudo; without either it stops
# and names the packages. A repeated call costs one dpkg-query.
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

missing=
for package in "$@"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! as_root true; then
  say "neither root nor sudo here. Have these packages installed, then try again:"
  say "  apt-get install --no-install-recommends$missing"
  exit 1
fi
say "installing Debian packages:$missing"

# DPkg::Lock::Timeout waits for another apt run (seconds) instead of failing at once.
install() {
  # shellcheck disable=SC2086 # the names in $missing are words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing >&2
}
# A fresh machine often has no package lists, or lists older than the mirror: fetch them once.
install || {
  as_root apt-get update -q -o DPkg::Lock::Timeout=300 >&2
  install
}

#!/bin/sh
# Makes sure that the Debian packages named on the command line are installed.
#
#   vm-images/packages.sh qemu-system-x86 cpio ...
#
# Only what is missing is installed: directly as root, else through sudo; without either it stops
# and names the packages. A repeated call costs one dpkg-query.
set -eu

missing=
for package in "$@"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "vm-images: installing Debian packages:$missing" >&2
if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
elif command -v sudo >/dev/null && [ -t 0 ]; then
  as_root=sudo
else
  echo "vm-images: neither root nor sudo here. Have these packages installed, then try again:" >&2
  echo "  apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

# DPkg::Lock::Timeout waits for another apt run (seconds) instead of failing at once.
install() {
  # shellcheck disable=SC2086 # the words of $as_root and $missing are meant to be split
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing >&2
}
# A fresh machine often has no package lists, or lists older than the mirror: fetch them once.
install || {
  $as_root apt-get update -q -o DPkg::Lock::Timeout=300 >&2
  install
}

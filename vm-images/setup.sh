#!/bin/sh
# Makes everything that a guest needs, from nothing, on a Debian machine:
#
#   vm-images/setup.sh          QEMU, the kernel of this machine's suite, the initramfs, the checker
#   vm-images/setup.sh newer    the same with the backports kernel
#   vm-images/setup.sh rootfs   a Debian tree that can be a guest's root file system, too
#   vm-images/setup.sh workload   that, a tree with the programs of test/workload, and packages
#
# What is there already is kept: a repeated call takes a tenth of a second. Packages are installed
# (see packages.sh); all the rest lands in .cache/vm and can be thrown away.
# Exit status 77: what was asked for cannot be had on this machine (it has said why).
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

[ -r /etc/debian_version ] || { say "the guest is made of Debian packages: this needs Debian"; exit 1; }

# Several test files may ask at once.
exec 9>"$CACHE/lock"
flock 9

"$IMAGES/packages.sh" qemu-system-x86 busybox-static cpio kmod xz-utils zstd gcc libc6-dev
kernel=stock
[ "${1:-}" != newer ] || kernel=newer
"$IMAGES/kernel.sh" "$kernel"
"$IMAGES/initramfs.sh" "$kernel"
[ "${1:-}" != rootfs ] || "$IMAGES/rootfs.sh"
[ "${1:-}" != workload ] || "$IMAGES/workload-tree.sh"

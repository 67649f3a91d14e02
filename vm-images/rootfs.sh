#!/bin/sh
# Makes a Debian tree that a guest can have as its root file system: debootstrap's smallest variant of
# the suite that this machine runs, with the old init, which starts faster in emulation than
# systemd does. Result: $CACHE/rootfs, readable for everybody, kept until `make distclean`.
#
# The share that it becomes is read-only: what must be written lies on tmpfs (see guest/rootfs/).
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

tree=$CACHE/rootfs
stamp=$CACHE/rootfs.complete
[ -f "$stamp" ] && [ -z "$(find "$IMAGES/rootfs.sh" "$IMAGES/guest/rootfs" -newer "$stamp")" ] &&
  exit 0

if ! as_root true; then
  say "debootstrap needs root (it makes files of many owners, and runs their programs in a chroot)."
  say "Run vm-images/setup.sh rootfs once as root; everything else works without."
  exit "$NOT_HERE"
fi
"$IMAGES/packages.sh" debootstrap

# shellcheck source=/dev/null
. /etc/os-release
say "debootstrap of $VERSION_CODENAME (half a minute)"
as_root rm -rf "$tree" "$tree.partial"
# Services that only make sense on real disks and clocks are left out of the boot below.
as_root debootstrap --variant=minbase --include=sysvinit-core "$VERSION_CODENAME" "$tree.partial" \
  "$(debian_mirror)" >"$CACHE/debootstrap.log" 2>&1 || {
  tail -n 5 "$CACHE/debootstrap.log" >&2
  say "debootstrap failed; its log is $CACHE/debootstrap.log"
  exit 1
}
for service in hwclock.sh bootlogs checkroot-bootclean.sh checkroot.sh checkfs.sh mountall-bootclean.sh \
  sendsigs umountnfs.sh urandom; do
  as_root chroot "$tree.partial" /usr/sbin/update-rc.d "$service" disable >/dev/null 2>&1 || true
done
# No device nodes (castore has none, the guest's kernel makes its own), no caches, no hardware clock.
as_root sh -c "cd '$tree.partial' &&
  rm -rf dev/* proc/* sys/* run/* var/cache/apt/*.bin var/cache/apt/archives/*.deb &&
  rm -rf var/lib/apt/lists/* && mkdir -p var/lib/apt/lists/partial &&
  cp '$IMAGES'/guest/rootfs/* etc/ && ln -sf ../proc/self/mounts etc/mtab &&
  chmod -R a+rX . && chown -R $(id -u):$(id -g) ."
mv "$tree.partial" "$tree"
touch "$stamp"
say "root file system: $(find "$tree" | wc -l) entries, $(du -sm "$tree" | cut -f 1) MiB"

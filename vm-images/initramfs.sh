#!/bin/sh
# Builds the guest's initramfs for a kernel that kernel.sh fetched:
#
#   vm-images/initramfs.sh stock|newer
#
# Result: $CACHE/initramfs-NAME.cpio (not compressed: unpacking costs a slow guest more than
# loading). It is rebuilt when one of its sources is newer.
set -eu
# shellcheck source=vm-images/cache.sh
. "$(dirname "$0")/cache.sh"

name=${1:-stock}
kernel=$CACHE/kernel-$name
image=$CACHE/initramfs-$name.cpio
"$IMAGES/checker.sh"

fresh() {
  [ -f "$image" ] || return 1
  [ -z "$(find "$IMAGES/guest" "$IMAGES/initramfs.sh" "$kernel/complete" "$CACHE/bin" \
    -newer "$image" -type f)" ]
}
fresh && exit 0

tree=$CACHE/initramfs-$name.tree
rm -rf "$tree"
mkdir -p "$tree/bin" "$tree/lib/modules" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/newroot"
cp "$IMAGES/guest/init" "$tree/init"
chmod 755 "$tree/init"
cp "$CACHE/bin/vmexit" "$CACHE/bin/check" "$tree/bin/"
cp "$(command -v busybox)" "$tree/bin/busybox"
for applet in $(busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
done
ln -s bin "$tree/sbin"

# modprobe knows which module needs which; its order is kept in the numbers of the names.
version=$(cat "$kernel/version")
number=10
for module in $(PATH=$PATH:/sbin:/usr/sbin modprobe -d "$kernel/root" -S "$version" \
  --show-depends -a virtio_pci virtio_console virtiofs overlay loop | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'); do
  base=$(basename "$module")
  case $base in
    *.ko) cp "$module" "$tree/lib/modules/$number-$base" ;;
    *.ko.xz) xz -dc "$module" >"$tree/lib/modules/$number-${base%.xz}" ;;
    *.ko.zst) zstd -dcq "$module" >"$tree/lib/modules/$number-${base%.zst}" ;;
  esac
  number=$((number + 1))
done

(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$image.partial"
mv "$image.partial" "$image"
rm -rf "$tree"
say "built $(basename "$image"): $(($(stat -c %s "$image") / 1024)) KiB, kernel $version"

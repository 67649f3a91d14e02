#!/bin/sh
# Compiles the conformance suite as a static binary, which runs in any guest, and makes an empty ext4
# file system as its control:
#
#   .cache/posix/posix, .cache/posix/ext4.img
#
# Made again when a source is newer. Prints the folder.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
into=$folder/../../.cache/posix
mkdir -p "$into"
into=$(cd "$into" && pwd)
exec 9>"$into/lock"
flock 9

fresh() { [ -f "$1" ] && [ -z "$(find "$2" -newer "$1")" ]; }

fresh "$into/posix" "$folder/suite" || {
  (cd "$folder/suite" && gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static -o "$into/posix.partial" ./*.c)
  mv "$into/posix.partial" "$into/posix"
}
fresh "$into/ext4.img" "$folder/build.sh" || {
  rm -f "$into/ext4.partial"
  truncate -s 48M "$into/ext4.partial"
  PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -b 4096 -O '^has_journal' -I 256 -N 8192 "$into/ext4.partial"
  mv "$into/ext4.partial" "$into/ext4.img"
}
echo "$into"

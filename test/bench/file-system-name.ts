/** The file system that a folder lies on, in a word. */
import { statfsSync } from "node:fs";

/** Magic numbers of linux/magic.h. */
const NAMES: Readonly<Record<number, string>> = {
  61267: "ext4",
  2435016766: "btrfs",
  1481003842: "xfs",
  16914836: "tmpfs",
  2035054128: "overlayfs",
  801189825: "zfs",
};

export function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  return NAMES[type] ?? `a file system of type 0x${type.toString(16)}`;
}

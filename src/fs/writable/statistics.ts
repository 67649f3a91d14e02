/** statfs(2) of a writable share: the room that its layer has. */
import type { FileSystemStatistics } from "../../fuse/file-system.ts";
import type { LayerState } from "./layer-state.ts";
import { NAME_BYTES_MAX } from "./new-inodes.ts";

const BLOCK_BYTES = 4096;

/** What one more inode takes of the layer, roughly: its row and that of its name. */
const INODE_BYTES = 512;

export function statistics(state: LayerState, result: FileSystemStatistics): void {
  const { contents, inodes } = state;
  contents.metadataBytes = state.journal.metadataBytes;
  const free = Math.max(0, contents.roomBytes);
  const used = contents.usedBytes + contents.metadataBytes;
  result.bsize = BLOCK_BYTES;
  result.blocks = Math.floor((used + free) / BLOCK_BYTES);
  result.freeBlocks = Math.floor(free / BLOCK_BYTES);
  result.freeFiles = Math.floor(free / INODE_BYTES);
  result.files = inodes.count + result.freeFiles;
  result.nameLength = NAME_BYTES_MAX;
}

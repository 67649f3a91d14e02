/** What the contents of all files of a layer have in common. */
import { ENOSPC } from "../../base/errno.ts";
import { WAITING } from "../../base/waiting.ts";
import type { LayerData, LayerMemory, LayerPort } from "../../layer/layer-port.ts";
import { BlockCache } from "./block-cache.ts";
import { BLOCK_BYTES, DataSpace } from "./data-space.ts";
import type { FileBody } from "./file-body.ts";
import { LayerRoom } from "./layer-room.ts";
import { type OpenBase, ReferredBlobs } from "./referred-blobs.ts";

/** Blocks at the beginning of the memory through which copies between files go. */
export const COPY_BLOCKS = 256;

export class ContentsParts {
  readonly memory: LayerMemory;
  readonly data: LayerData;
  readonly cache: BlockCache;
  readonly space = new DataSpace();
  readonly room: LayerRoom;
  readonly bases: ReferredBlobs;
  /** Files of which something waits to be collected. */
  readonly changed = new Set<FileBody>();
  /** By its number in the cache. */
  readonly cached: FileBody[] = [];
  /** The errno by which the layer failed, or 0. */
  failed = 0;
  /** The last batch that is settled. */
  settledBatch = 0;
  /** Somebody waits for blocks of memory, or for room. */
  lacksMemory = false;
  lacksRoom = false;

  constructor(port: LayerPort, open: OpenBase) {
    this.memory = port.memory;
    this.data = port.data;
    this.cache = new BlockCache(port.memory.bytes.length);
    this.cache.take(COPY_BLOCKS);
    this.room = new LayerRoom(port, this.space, this.cache);
    this.bases = new ReferredBlobs(open);
  }

  /** The status of who finds no free block of memory. */
  memoryStatus(): number {
    this.lacksMemory = true;
    return WAITING;
  }

  /** 0 when `bytes` may be taken; else -ENOSPC, or WAITING while room is being made. */
  roomStatus(bytes: number): number {
    if (bytes === 0 || bytes <= this.room.roomBytes) return 0;
    if (!this.room.isClearing) return -ENOSPC;
    this.lacksRoom = true;
    return WAITING;
  }

  /** Whole blocks that may be taken. */
  get roomBlocks(): number {
    return Math.floor(this.room.roomBytes / BLOCK_BYTES);
  }
}

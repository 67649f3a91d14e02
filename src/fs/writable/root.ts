/** The root of a writable share, as the layer has it or, in a new one, the base. */

import { digestKey } from "../../castore/digest.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import { LINKS_UNCOUNTED } from "../../layer/rows.ts";
import { S_IFDIR } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";

const ROOT_MODE = S_IFDIR | 0o755;

/** Makes the root what its row says; without a row, `node` with a row to be written. */
export function beginRoot(state: LayerState, node: DirectoryNode): void {
  const { root } = state.inodes;
  // The kernel never forgets it.
  root.lookups = 1;
  if (!state.tree.loadRoot()) {
    root.mode = ROOT_MODE;
    root.origin = digestKey(node.digest.bytes, 0);
    root.originSize = node.size;
    root.inoLow = root.id;
    state.clock.read();
    state.clock.begin(root);
    root.links = LINKS_UNCOUNTED;
    state.changes.inode(root);
  }
  // Where the base's root cannot be read now, 1 is what stat(2) says of directories nobody counts.
  if (root.links === LINKS_UNCOUNTED) state.tree.countLinks(root);
}

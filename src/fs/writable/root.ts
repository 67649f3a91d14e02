/** The root of a writable share, as the layer has it or, in a new one, the base. */

import { digestKey } from "../../castore/digest.ts";
import type { DirectoryNode } from "../../castore/node.ts";
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
    root.links = 0;
    state.changes.inode(root);
  }
  if (root.links < 2) {
    // Where the base's root cannot be read now, a count that leaves open what it is (stat(2)).
    root.links = 1;
    state.tree.countLinks(root);
  }
}

/** The store of a layer, for the commands about layers. */
import { Option } from "commander";
import type { LayerMeta } from "../layer/layer-schema.ts";

/** Not from the environment: a layer knows its store. */
export function layerStoreOption(): Option {
  return new Option("--store <dir>", "directory of the store (default: the layer's)");
}

export function layerStore(option: string | undefined, meta: LayerMeta): string {
  return option ?? meta.store;
}

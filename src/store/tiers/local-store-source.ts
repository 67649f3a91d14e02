/** Another castorefs store of this host as a source. */
import { openDiskStore } from "../disk-store.ts";
import type { Source } from "../source.ts";

/**
 * The store in the folder `path`. It is opened for reading; only what is copied to it writes.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openLocalStoreSource(path: string): Source {
  const store = openDiskStore(path);
  return {
    name: path,
    blobs: store.blobs,
    directories: store.directories,
    [Symbol.asyncDispose]: async () => store[Symbol.dispose](),
  };
}

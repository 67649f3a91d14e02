/** A source in the layout of snix's object storage, over whatever keeps the objects. */
import type { Source, SourceOptions } from "../source.ts";
import { BoundedObjects } from "./bounded-objects.ts";
import { ObjectBlobs } from "./object-blobs.ts";
import { ObjectDirectories } from "./object-directories.ts";
import type { ObjectStore } from "./object-store.ts";

/** Disposing of the source disposes of `store`. */
export function objectSource(store: ObjectStore, options: SourceOptions): Source {
  const objects = new BoundedObjects(store, options.timeoutMilliseconds);
  return {
    name: store.name,
    blobs: new ObjectBlobs(objects),
    directories: new ObjectDirectories(objects),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** What brings a missing or rotten object into the local store, as the daemon sees it. */
import type { Digest } from "../castore/digest.ts";

/** An object that somebody wants to read from the local store, and cannot. */
export interface WantedObject {
  /**
   * A blob is wanted whole: its list of chunks and all of them. But where lists are trusted
   * unproven the list is enough, and its chunks are wanted one by one.
   */
  readonly kind: "directory" | "blob" | "chunk";
  readonly digest: Digest;
  /** What is there is rotten or unreadable: it is to be fetched anew. */
  readonly heal: boolean;
  /**
   * Of a chunk: the blob that it is a part of, where that is known. Serves a source that cuts the
   * blob into other chunks, or none, and reading ahead.
   */
  readonly within?: Digest;
  /** Bytes of a blob, where a file's node says so: spares asking how a small one is cut. */
  readonly size?: number;
}

/** `foreground`: somebody is waiting. `background`: only while nobody is. */
export type FetchPriority = "foreground" | "background";

export interface ObjectFetcher {
  /**
   * Settles when the object can be read from the local store. Any number may ask for one object at
   * a time: it is fetched once.
   * @throws MissingObject: no source has it. SourceUnavailable: none could be asked, or in time.
   * CorruptObject: what sources have is not what the digest names. StoreError: it cannot be stored.
   *
   * `progressed` is called now and then while bytes of it come in: a large blob that is on its way
   * may take longer than one that nobody answers for.
   */
  fetch(wanted: WantedObject, priority: FetchPriority, progressed?: () => void): Promise<void>;
}

/** How asking a source may end, besides an answer. Neither leaves this folder. */
import { SourceUnavailable, StoreError } from "../errors.ts";

/** What a source gave is not what the digest names, or makes no sense. */
export class SourceLied extends StoreError {
  override readonly name = "SourceLied";
}

/** The source was not asked: it has failed too often to be asked just now. */
export class SourceResting extends SourceUnavailable {}

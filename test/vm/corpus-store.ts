/** A store that holds the made corpus, for one test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCorpus } from "../../vm-images/corpus.ts";
import { CACHE_DIRECTORY, prepare } from "../../vm-images/images.ts";
import { castorefs, castorefsJson, ShareDaemon } from "../../vm-images/share-daemon.ts";

export const CORPUS = join(CACHE_DIRECTORY, "corpus", "made");

export class CorpusStore implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "castorefs-vm-"));
  readonly store = join(this.directory, "store");
  #sockets = 0;

  /** Imports `tree`, the corpus unless told otherwise, under the name `share`. */
  constructor(tree?: string) {
    prepare("stock");
    if (tree === undefined) makeCorpus(CORPUS);
    const run = castorefs("import", "--store", this.store, "--name", "share", tree ?? CORPUS);
    if (run.status !== 0) throw new Error(`castorefs import: ${run.stderr}`);
  }

  /** The digest of a root, or of a path below it, in hexadecimal, as the store tells it. */
  digestOf(target: string): string {
    const node = castorefsJson("stat", "--store", this.store, target) as { digest: string };
    return Buffer.from(node.digest.replace("blake3-", ""), "base64").toString("hex");
  }

  /** A path for a socket that nothing else uses. */
  socketPath(): string {
    return join(this.directory, `socket-${this.#sockets++}`);
  }

  async serve(...args: readonly string[]): Promise<ShareDaemon> {
    return await ShareDaemon.serve(this.socketPath(), this.serveArguments(...args));
  }

  serveArguments(...args: readonly string[]): readonly string[] {
    return ["--store", this.store, "--root", "share", ...args];
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

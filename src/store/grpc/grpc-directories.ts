/** The DirectoryService of a gRPC server. */
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import { DIGEST_BYTES } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { InvalidEncoding } from "../../castore/errors.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import { directoryNode } from "../../castore/node.ts";
import { decodeDirectory } from "../../castore/proto.ts";
import {
  decodeDigestMessage,
  encodeGetDirectoryRequest,
  InvalidMessage,
} from "../../castore/rpc-proto.ts";
import { putLeavesFirst } from "../directory-graph.ts";
import { CorruptObject, InvalidGraph, MissingObject, SourceUnavailable } from "../errors.ts";
import { RootFirstOrder } from "../root-first-order.ts";
import { SentDirectories } from "../sent-directories.ts";
import type { DirectoryService, RequestOptions } from "../services.ts";
import type { GrpcChannel, Upload } from "./grpc-channel.ts";
import { isNotFound, sourceFailure } from "./rpc-failure.ts";
import { ServiceCalls } from "./service-calls.ts";

/**
 * A directory may be there before what it names: unlike a store of this host, a server knows
 * nothing of the blobs, and `put` does not ask for them.
 */
export class GrpcDirectories implements DirectoryService {
  readonly #source: string;
  readonly #calls: ServiceCalls;

  constructor(channel: GrpcChannel) {
    this.#source = channel.name;
    this.#calls = new ServiceCalls(channel, "DirectoryService");
  }

  async get(digest: Digest, { signal }: RequestOptions = {}): Promise<Directory | undefined> {
    const request = encodeGetDirectoryRequest(digest, false);
    try {
      for await (const message of this.#calls.serverStream("Get", request, { signal })) {
        if (!blake3(message).equals(digest)) throw new CorruptObject("directory", digest);
        return decoded(digest, message);
      }
    } catch (error) {
      if (!isNotFound(error)) throw this.#failure(error, digest);
    }
    return undefined;
  }

  async *getRecursive(
    root: Digest,
    { signal }: RequestOptions = {},
  ): AsyncGenerator<Directory, void, void> {
    const request = encodeGetDirectoryRequest(root, true);
    const order = new RootFirstOrder(root);
    try {
      for await (const message of this.#calls.serverStream("Get", request, { signal })) {
        const digest = blake3(message);
        // Whatever else it is, it is not what was asked for.
        if (!order.begun && !digest.equals(root)) throw new CorruptObject("directory", root);
        const directory = decoded(digest, message);
        if (order.accept(digest, directory)) yield directory;
      }
    } catch (error) {
      // The root is absent; or it was there, and something below is.
      if (!isNotFound(error)) throw this.#failure(error, root);
    }
    if (order.begun && order.missing !== undefined) {
      throw new MissingObject("directory", order.missing);
    }
  }

  async put(directory: Directory): Promise<DirectoryNode> {
    return await this.putRecursive([directory]);
  }

  /**
   * The protocol wants trees whole: what a directory names must come before it in the same stream.
   * What is on the server already is fetched from there and sent again.
   */
  async putRecursive(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
  ): Promise<DirectoryNode> {
    let upload: Upload | undefined;
    let root: DirectoryNode;
    let answer: Uint8Array;
    try {
      upload = await this.#calls.upload("Put");
      root = await this.#sendTree(directories, upload);
      answer = await upload.finish();
    } catch (error) {
      upload?.cancel();
      this.#calls.uploadFailed(error);
      throw this.#failure(error);
    }
    this.#checkStored(root.digest, answer);
    return root;
  }

  #sendTree(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
    upload: Upload,
  ): Promise<DirectoryNode> {
    const sent = new SentDirectories((digest) => this.getRecursive(digest));
    return putLeavesFirst(directories, async (directory) => {
      for await (const below of sent.missingBelow(directory)) {
        await upload.send(sent.note(below).encoded);
      }
      const { encoded, digest } = sent.note(directory);
      await upload.send(encoded);
      return directoryNode(digest, directory.size);
    });
  }

  #checkStored(root: Digest, answer: Uint8Array): void {
    let stored: Uint8Array;
    try {
      stored = decodeDigestMessage(answer);
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      throw this.#nonsense(error.message, error);
    }
    if (stored.length !== DIGEST_BYTES || !root.equalsAt(stored, 0)) {
      throw this.#nonsense(`it stored something else than the directory ${root}`);
    }
  }

  #failure(error: unknown, digest?: Digest): unknown {
    if (error instanceof InvalidGraph && digest !== undefined) {
      return this.#nonsense(error.message, error);
    }
    return sourceFailure(this.#source, error, digest && { what: "directory", digest });
  }

  #nonsense(fault: string, cause: unknown = undefined): SourceUnavailable {
    return new SourceUnavailable(`${this.#source} makes no sense: ${fault}`, { cause });
  }
}

/** @throws CorruptObject */
function decoded(digest: Digest, message: Uint8Array): Directory {
  try {
    return decodeDirectory(message);
  } catch (error) {
    if (!(error instanceof InvalidEncoding)) throw error;
    throw new CorruptObject("directory", digest, { cause: error });
  }
}

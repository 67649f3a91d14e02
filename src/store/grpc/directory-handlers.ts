/** DirectoryService, served from a store. */
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import { decodeDirectory, encodeDirectory } from "../../castore/proto.ts";
import { decodeGetDirectoryRequest, encodeDigestMessage } from "../../castore/rpc-proto.ts";
import { MissingObject } from "../errors.ts";
import type { DirectorySize } from "../recent-sizes.ts";
import type { DirectoryService } from "../services.ts";
import type { StoreFiller } from "../store-filler.ts";
import { requestedDigest } from "./blob-handlers.ts";
import type { CallHandlers } from "./call-handler.ts";
import { DirectoryKeeper } from "./directory-keeper.ts";
import { LeavesFirstOrder } from "./leaves-first-order.ts";
import type { ReceiveUpload } from "./receive-upload.ts";
import { RpcFailure } from "./rpc-failure.ts";

export function directoryHandlers(
  handlers: CallHandlers,
  directories: DirectoryService,
  filler: StoreFiller | undefined,
  receive: ReceiveUpload,
): UntypedServiceImplementation {
  const stored = async (digest: Digest): Promise<DirectorySize | undefined> => {
    const directory = await directories.get(digest);
    return directory && { size: directory.size, children: directory.entries.length };
  };
  return {
    Get: handlers.serverStream("DirectoryService.Get", async (message, sender, signal, fields) => {
      const request = decodeGetDirectoryRequest(message);
      if (request.digest === undefined) {
        throw new RpcFailure(status.INVALID_ARGUMENT, "invalid by_what");
      }
      const digest = requestedDigest(request.digest);
      fields["digest"] = digest.toString();
      if (!request.recursive) {
        const directory = await directories.get(digest, { signal });
        if (directory === undefined) throw new MissingObject("directory", digest);
        return await sender.send(encodeDirectory(directory));
      }
      let count = 0;
      for await (const directory of directories.getRecursive(digest, { signal })) {
        await sender.send(encodeDirectory(directory));
        count += 1;
        fields["directories"] = count;
      }
    }),

    Put: handlers.upload("DirectoryService.Put", async (call, signal, fields) => {
      const order = new LeavesFirstOrder(stored);
      return await receive(call, signal, async (messages, writer) => {
        const keeper = new DirectoryKeeper(writer, filler);
        for await (const encoded of messages) {
          const directory = decodeDirectory(encoded);
          const digest = blake3(encoded);
          await order.accept(digest, directory);
          await keeper.put(directory, digest, encoded);
          fields["directories"] = order.count;
        }
        const root = order.root();
        await keeper.commit();
        fields["digest"] = root.toString();
        fields["partial"] = keeper.partial;
        return { message: encodeDigestMessage(root) };
      });
    }),
  };
}

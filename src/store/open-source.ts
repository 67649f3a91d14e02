/** From an address to a source. What serves a scheme is loaded when somebody uses it. */
import type { Source, SourceOptions } from "./source.ts";
import { parseSourceAddress } from "./source-address.ts";

/**
 * Opens the source at `address`, without reaching out to it; see SOURCE_ADDRESS_FORMS.
 * @throws StoreError when it is no address, or a folder of this host that is not there.
 */
export async function openSource(address: string, options: SourceOptions): Promise<Source> {
  const parsed = parseSourceAddress(address);
  if (parsed.kind === "store") {
    const { openLocalStoreSource } = await import("./tiers/local-store-source.ts");
    return openLocalStoreSource(parsed.path);
  }
  switch (parsed.scheme) {
    case "grpc+http":
    case "grpc+https":
    case "grpc+unix": {
      const { openGrpcSource } = await import("./grpc/grpc-source.ts");
      return await openGrpcSource(parsed.url, options);
    }
    case "s3": {
      const { openS3Source } = await import("./object/s3-source.ts");
      return await openS3Source(parsed.url, options);
    }
    case "http":
    case "https": {
      const { openHttpSource } = await import("./object/http-source.ts");
      return await openHttpSource(parsed.url, options);
    }
    case "file": {
      const { openFolderSource } = await import("./object/folder-source.ts");
      return await openFolderSource(parsed.url, options);
    }
  }
}

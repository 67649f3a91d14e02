/** From an address to a source. What serves a scheme is loaded when somebody uses it. */
import { StoreError } from "./errors.ts";
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
  throw new StoreError(`${parsed.scheme} is not served (${options.timeoutMilliseconds} ms)`);
}

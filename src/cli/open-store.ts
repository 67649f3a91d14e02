/** Opens the store of a command for as long as the command runs. */
import type { Store } from "../store/services.ts";

export interface OpenOptions {
  /** Makes the store when there is none. */
  readonly create?: boolean;
}

export async function withStore<Result>(
  directory: string,
  options: OpenOptions,
  use: (store: Store) => Promise<Result>,
): Promise<Result> {
  // Loaded here, so that `--help` and wrong use do not wait for it.
  const { openDiskStore } = await import("../store/disk-store.ts");
  using store = openDiskStore(directory, { create: options.create ?? false });
  return await use(store);
}

/** The layer's contents, mapped window by window as they are asked for. */
import { type MappedFile, mapFile } from "node-vhost-user";
import { dataPath } from "./layer-files.ts";
import type { LayerData } from "./layer-port.ts";

/** A window maps beyond the end of the file: what is written there later is in it. */
const WINDOW_BYTES = 1024 * 1024 * 1024;
/** 16 TiB: what the largest file on ext4 has, and well below Linux's limit of mappings. */
const WINDOWS_MAX = 16_384;

export class MappedData implements LayerData, Disposable {
  readonly #path: string;
  readonly #windows: (MappedFile | undefined)[] = [];

  constructor(directory: string) {
    this.#path = dataPath(directory);
  }

  address(position: number, length: number): number {
    const index = Math.floor(position / WINDOW_BYTES);
    const offset = position - index * WINDOW_BYTES;
    if (!(position >= 0 && length >= 0 && offset + length <= WINDOW_BYTES)) return 0;
    const window = this.#windows[index] ?? this.#map(index);
    return window === undefined ? 0 : window.address + offset;
  }

  #map(index: number): MappedFile | undefined {
    if (index >= WINDOWS_MAX) return undefined;
    try {
      const window = mapFile(this.#path, WINDOW_BYTES, index * WINDOW_BYTES);
      this.#windows[index] = window;
      return window;
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const window of this.#windows) window?.[Symbol.dispose]();
    this.#windows.length = 0;
  }
}

/**
 * libvhost-user.so: its functions, and where things lie in its structures. The compiler wrote the
 * layout to layout.json when the library was built, and compiled it into the library; both must say
 * the same, and what is wanted here must be among it.
 */
import { readFileSync } from "node:fs";
import type { LibraryHandle } from "koffi";
import { NativeLibraryError } from "./errors.ts";
import { checkVersion, loadNative, nativeFile } from "./native-directory.ts";
import { TABLE_REGIONS_MAX } from "./protocol.ts";

const BRIDGE_VERSION = 1;

/** Offsets and sizes in bytes, and limits of the library: see c/layout.h. */
const LAYOUT_FIELDS = [
  "deviceBytes",
  "deviceRegionCount",
  "deviceQueues",
  "deviceFeatures",
  "deviceStaged",
  "deviceIsStaged",
  "devicePanicked",
  "devicePanicText",
  "panicTextBytes",
  "queueBytes",
  "queueSize",
  "queueDescriptorTable",
  "queueAvailRing",
  "queueUsedRing",
  "queueLastAvail",
  "queueShadowAvail",
  "queueUsed",
  "queueCallFd",
  "queueKickFd",
  "queueErrFd",
  "queueEnabled",
  "queueStarted",
  "queueUserDescriptorTable",
  "queueUserAvailRing",
  "queueUserUsedRing",
  "regionBytes",
  "regionGuestAddress",
  "regionSize",
  "regionUserAddress",
  "regionMapOffset",
  "regionMapAddress",
  "messageBytes",
  "messageRequest",
  "messageFlags",
  "messageSize",
  "messagePayload",
  "messagePayloadBytes",
  "messageFds",
  "messageFdCount",
  "tableRegionsMax",
  "memorySlotsMax",
  "configBytesMax",
] as const;

export type Layout = Readonly<Record<(typeof LAYOUT_FIELDS)[number], number>>;

/** Filled by `loadVhostUser`; nothing that needs it exists before. */
export const layout = {} as Layout;

export interface VhostUserLibrary {
  /** The address of a device that owns `fd`; 0 when there is no memory. */
  create(queues: number, fd: number): number;
  destroy(device: number): void;
  /** 1 when the staged message was handled. */
  dispatch(device: number): number;
  /** The address of the table of regions. */
  regions(device: number): number;
}

let loaded: VhostUserLibrary | undefined;

/**
 * Loads the library when the first device is made: whoever uses sockets and mappings only does not
 * need it.
 * @throws NativeLibraryError
 */
export function loadVhostUser(): VhostUserLibrary {
  if (loaded !== undefined) return loaded;
  const library = loadNative("libvhost-user.so");
  checkVersion("libvhost-user.so", library.func("nvu_bridge_version", "int", [])(), BRIDGE_VERSION);
  Object.assign(layout, readLayout(library));
  loaded = {
    create: library.func("nvu_device_create", "uint64", ["uint32", "int"]),
    destroy: library.func("nvu_device_destroy", "void", ["uint64"]),
    dispatch: library.func("nvu_device_dispatch", "int", ["uint64"]),
    regions: library.func("nvu_device_regions", "uint64", ["uint64"]),
  };
  return loaded;
}

function readLayout(library: LibraryHandle): Layout {
  const count: number = library.func("nvu_layout_count", "uint32", [])();
  const name = library.func("nvu_layout_name", "str", ["uint32"]);
  const value = library.func("nvu_layout_value", "uint64", ["uint32"]);
  const printed = JSON.parse(readFileSync(nativeFile("layout.json"), "utf8"));
  const compiled: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const field: string = name(i);
    compiled[field] = value(i);
    if (printed[field] !== compiled[field]) {
      throw new NativeLibraryError(
        `layout.json says ${printed[field]} for ${field}, libvhost-user.so ${compiled[field]}`,
      );
    }
  }
  for (const field of LAYOUT_FIELDS) {
    if (compiled[field] === undefined) {
      throw new NativeLibraryError(`libvhost-user.so does not say ${field}`);
    }
  }
  if (compiled["tableRegionsMax"]! < TABLE_REGIONS_MAX) {
    throw new NativeLibraryError("libvhost-user has no room for the regions of a message");
  }
  // A message is received straight into the structure, so that must begin as the wire format does.
  if (compiled["messagePayload"] !== 12 || compiled["messageSize"] !== 8) {
    throw new NativeLibraryError("VhostUserMsg does not begin with the header of the protocol");
  }
  return compiled as Layout;
}

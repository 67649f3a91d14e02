/** The kernel's side: builds requests as Linux does, and takes replies apart. */
import {
  fuseInHeader,
  fuseInitIn,
  fuseInitOut,
  fuseOutHeader,
  fuseReadIn,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import type { PartialValues, Struct, Values } from "../../src/abi/struct.ts";
import { type LogFields, silentLogger } from "../../src/base/logger.ts";
import type { FileSystem } from "../../src/fuse/file-system.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { FlatRequest, FlatRoom } from "./flat-segments.ts";
import { MAPPED_BYTES, ROOT, StubFileSystem } from "./stub-file-system.ts";

export const UNIQUE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0xff);

/** What a request consists of after its header. */
type Part = Uint8Array | string;

export interface Reply {
  /** What `handle` returned. */
  written: number;
  error: number;
  payload: Uint8Array;
}

/** Arguments: a struct's bytes. */
export function args<F extends Struct["fields"]>(
  type: Struct<F>,
  values: PartialValues<F>,
): Uint8Array {
  const bytes = new Uint8Array(type.size);
  type.write(new DataView(bytes.buffer), 0, values);
  return bytes;
}

/** Reads a payload as a struct. */
export function parse<F extends Struct["fields"]>(type: Struct<F>, payload: Uint8Array): Values<F> {
  return type.read(new DataView(payload.buffer, payload.byteOffset, payload.length), 0);
}

/** A whole request. Strings get their NUL. */
export function requestBytes(opcode: number, nodeid: number, ...parts: Part[]): Uint8Array {
  const body = parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part));
  const len = fuseInHeader.size + body.reduce((sum, part) => sum + part.length, 0);
  const header = args(fuseInHeader, { len, opcode, unique: UNIQUE, nodeid, uid: 1000, pid: 42 });
  return Uint8Array.from(Buffer.concat([header, ...body]));
}

export const INIT_ALL = args(fuseInitIn, {
  major: 7,
  minor: 38,
  max_readahead: 131_072,
  flags: 0x7fff_ffff,
  flags2: 0xffff_ffff,
});

/** Offers everything but opens without a message, so that OPEN and OPENDIR can be asked. */
export const INIT_WITH_OPEN = args(fuseInitIn, {
  major: 7,
  minor: 38,
  flags: 0x7fff_ffff & ~(abi.FUSE_NO_OPEN_SUPPORT | abi.FUSE_NO_OPENDIR_SUPPORT),
});

export const readArgs = (offset: number, size: number) => args(fuseReadIn, { offset, size });

export class Kernel {
  readonly fs: FileSystem;
  readonly server: FuseServer;
  readonly lines: { message: string; fields: LogFields | undefined }[] = [];

  constructor(fs: FileSystem = new StubFileSystem()) {
    this.fs = fs;
    const log = (_level: string, message: string, fields?: LogFields) => {
      this.lines.push({ message, fields });
    };
    this.server = new FuseServer(fs, { logger: { ...silentLogger, log } });
  }

  static mounted(fs: FileSystem = new StubFileSystem(), init = INIT_WITH_OPEN): Kernel {
    const kernel = new Kernel(fs);
    kernel.send(abi.FUSE_INIT, 0, fuseInitOut.size, init);
    return kernel;
  }

  /** Sends a request with room for a header and `room` bytes. */
  send(opcode: number, nodeid: number = ROOT, room = 65_536, ...parts: Part[]): Reply {
    return this.sendBytes(requestBytes(opcode, nodeid, ...parts), fuseOutHeader.size + room);
  }

  sendBytes(bytes: Uint8Array, room: number): Reply {
    return this.exchange(new FlatRequest(bytes), new FlatRoom(room));
  }

  exchange(request: FlatRequest, room: FlatRoom): Reply {
    room.mapping = Uint8Array.from({ length: MAPPED_BYTES }, (_, index) => (index * 7) & 0xff);
    const written = this.server.handle(request, room);
    if (written === 0) return { written, error: 0, payload: new Uint8Array(0) };
    const header = parse(fuseOutHeader, room.bytes.subarray(0, fuseOutHeader.size));
    if (header.len !== written) throw new Error(`len ${header.len}, used length ${written}`);
    if (Buffer.compare(header.unique, request.bytes.subarray(8, 16)) !== 0) {
      throw new Error("a reply to another request");
    }
    const payload = room.bytes.slice(fuseOutHeader.size, written);
    if (header.error !== 0 && payload.length > 0) throw new Error("an error with a payload");
    return { written, error: header.error, payload };
  }
}

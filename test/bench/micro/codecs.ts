/** The struct compiler's codecs, whole and field by field, and castore's protobuf. */
import { fuseAttrOut, fuseEntryOut, fuseInHeader, fuseReadIn } from "../../../src/abi/fuse.ts";
import { u64At } from "../../../src/abi/struct.ts";
import { Digest } from "../../../src/castore/digest.ts";
import { Directory } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import { fileNode } from "../../../src/castore/node.ts";
import { decodeDirectory, encodeDirectory } from "../../../src/castore/proto.ts";
import { seededBytes } from "../bench-tree.ts";
import { type MicroResult, stopwatch } from "./stopwatch.ts";

const ENTRIES = 1000;

/** Results go here, so that no engine leaves the work out. */
let sink = 0;

export function codecs(): MicroResult[] {
  const view = new DataView(new ArrayBuffer(256));
  const header = fuseInHeader.read(view, 0);
  const entry = fuseEntryOut.read(view, 0);
  const attributes = fuseAttrOut.read(view, 0);
  const directory = Directory.of(
    Array.from({ length: ENTRIES }, (_, index) => ({
      name: parseName(Buffer.from(`entry-${String(index).padStart(4, "0")}`)),
      node: fileNode(Digest.at(seededBytes(index, 32), 0), index, false),
    })),
  );
  const encoded = encodeDirectory(directory);
  return [
    stopwatch("fuse_in_header: read", (steps) => {
      for (let i = 0; i < steps; i++) sink += fuseInHeader.read(view, 0).opcode;
    }),
    stopwatch("fuse_in_header: write", (steps) => {
      for (let i = 0; i < steps; i++) fuseInHeader.write(view, 0, header);
    }),
    stopwatch("fuse_entry_out: write", (steps) => {
      for (let i = 0; i < steps; i++) fuseEntryOut.write(view, 0, entry);
    }),
    stopwatch("fuse_attr_out: write", (steps) => {
      for (let i = 0; i < steps; i++) fuseAttrOut.write(view, 0, attributes);
    }),
    stopwatch("fuse_read_in: two fields in place", (steps) => {
      for (let i = 0; i < steps; i++) {
        sink += u64At(view, fuseReadIn.at.offset) + view.getUint32(fuseReadIn.at.size, true);
      }
    }),
    stopwatch("castore directory of 1000: encode", (steps) => {
      for (let i = 0; i < steps; i++) sink += encodeDirectory(directory).length;
    }),
    stopwatch("castore directory of 1000: decode", (steps) => {
      for (let i = 0; i < steps; i++) sink += decodeDirectory(encoded).entries.length;
    }),
  ];
}

/** What was summed up: printed nowhere, but read by `main`, so that it must be computed. */
export function summed(): number {
  return sink;
}

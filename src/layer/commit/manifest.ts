/**
 * What a castore tree cannot hold, beside it: a file of JSON lines, the first about the whole, then
 * one for each name that the layer has an inode for, in byte order of the paths' names.
 *
 *     {"manifest":1,"root":"blake3-…","base":"blake3-…"}
 *     {"path":"var/log/a","type":"file","mode":"0640","uid":0,"gid":4,
 *      "atime":[s,ns],"mtime":[s,ns],"ctime":[s,ns],"btime":[s,ns],
 *      "xattrs":[{"name":"user.a","value":"base64"}],"hardLink":17,"device":[8,1]}
 *
 * `path` is "" for the root; paths and names that are not UTF-8 have `pathBase64`, `nameBase64`
 * beside them. `hardLink` is the same number for the names of one file, `device` is major and minor.
 */
import type { Digest } from "../../castore/digest.ts";
import type { Name } from "../../castore/name.ts";
import type { Time, XattrRow } from "../rows.ts";
import { permissions } from "../tree/inode-type.ts";
import type { LayerStep } from "../tree/layer-tree.ts";

const MANIFEST_FORMAT = 1;
const SLASH = Buffer.from("/");
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function manifestHeader(root: Digest, base: Digest): string {
  return JSON.stringify({
    manifest: MANIFEST_FORMAT,
    root: root.toString(),
    base: base.toString(),
  });
}

export function manifestLine(step: LayerStep, xattrs: readonly XattrRow[]): string {
  const { path, inode, type } = step;
  const isDevice = type === "character device" || type === "block device";
  const isLinked = type !== "directory" && inode.links > 1;
  return JSON.stringify({
    ...text("path", joinedPath(path)),
    type,
    mode: permissions(inode).toString(8).padStart(4, "0"),
    uid: inode.uid,
    gid: inode.gid,
    atime: pair(inode.atime),
    mtime: pair(inode.mtime),
    ctime: pair(inode.ctime),
    btime: pair(inode.btime),
    ...(xattrs.length === 0 ? {} : { xattrs: xattrs.map(xattrJson) }),
    ...(isLinked ? { hardLink: inode.id } : {}),
    ...(isDevice ? { device: deviceNumbers(inode.rdev) } : {}),
  });
}

export function joinedPath(path: readonly Name[]): Buffer {
  return Buffer.concat(path.flatMap((name, i) => (i === 0 ? [name] : [SLASH, name])));
}

function xattrJson({ name, value }: XattrRow) {
  return { ...text("name", name), value: Buffer.from(value ?? []).toString("base64") };
}

function pair({ seconds, nanoseconds }: Time): [number, number] {
  return [seconds, nanoseconds];
}

/** The kernel's 32 bits (new_encode_dev of linux/kdev_t.h) as major and minor number. */
function deviceNumbers(rdev: number): [major: number, minor: number] {
  return [(rdev & 0xf_ff00) >>> 8, (rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00)];
}

/** Bytes as JSON can have them. */
function text<Key extends string>(key: Key, bytes: Uint8Array): Record<string, string> {
  try {
    return { [key]: strictUtf8.decode(bytes) };
  } catch {
    const exact = Buffer.from(bytes);
    return { [key]: exact.toString("utf8"), [`${key}Base64`]: exact.toString("base64") };
  }
}
